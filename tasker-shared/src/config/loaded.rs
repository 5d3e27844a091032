//! Loading: all layers merged, typed and checked, with the origin of each value.

use std::collections::BTreeMap;
use std::fmt;

use ::config::{Config as Merge, Value, ValueKind};
use serde::Serialize;

use super::checks;
use super::error::{ConfigError, ConfigProblem};
use super::files;
use super::keys::KEYS;
use super::layer::{Layer, Setting};
use super::origin::Origin;
use super::secret::MASK;
use super::sections::Config;
use super::sources::ConfigSources;
use super::variables;

/// An effective value as it may be shown: secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigEntry {
    /// `section.key`.
    pub key: &'static str,
    pub value: String,
    pub origin: Origin,
}

/// A configuration and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// One per key, in the order of the base files.
    pub origins: Vec<ConfigEntry>,
}

/// One line per key: `key = value  (origin)`.
impl fmt::Display for Loaded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.origins {
            writeln!(
                formatter,
                "{} = {}  ({})",
                entry.key, entry.value, entry.origin
            )?;
        }
        Ok(())
    }
}

/// Reads, checks and merges all layers. On error nothing is usable, and every
/// problem found is listed.
pub fn load(sources: &ConfigSources) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let mut layers = files::layers(sources, &mut problems);
    layers.push(variables::from_variables(sources, &mut problems));
    layers.push(variables::from_flags(sources, &mut problems));
    if !names_a_database(&winners(&layers)) {
        layers.push(variables::fallback(sources, &mut problems));
    }
    let mut config = merge(&layers, &mut problems)?;
    config.environment.clone_from(&sources.environment);
    let winners = winners(&layers);
    // Values that are refused fall back to a lower layer here, which would only
    // produce misleading complaints about combinations.
    if problems.is_empty() {
        let origin_of = |key: &str| {
            winners
                .get(key)
                .map_or(Origin::BuiltIn, |setting| setting.origin.clone())
        };
        checks::check(&config, &origin_of, &mut problems);
    }
    if problems.is_empty() {
        let origins = entries(&winners);
        Ok(Loaded { config, origins })
    } else {
        Err(ConfigError { problems })
    }
}

/// The setting in force for each key.
fn winners(layers: &[Layer]) -> BTreeMap<&'static str, &Setting> {
    layers
        .iter()
        .flat_map(|layer| &layer.settings)
        .map(|setting| (setting.key, setting))
        .collect()
}

fn names_a_database(winners: &BTreeMap<&'static str, &Setting>) -> bool {
    winners
        .get("database.url")
        .is_some_and(|setting| setting.value != ValueKind::String(String::new()))
}

/// Every value was checked before, so a failure here means that the table of keys
/// and the sections disagree; the message of the `config` crate could quote a
/// value and is left out.
fn merge(layers: &[Layer], problems: &mut Vec<ConfigProblem>) -> Result<Config, ConfigError> {
    let merged = layers
        .iter()
        .fold(Merge::builder(), |builder, layer| {
            builder.add_source(layer.clone())
        })
        .build()
        .and_then(Merge::try_deserialize);
    merged.map_err(|_| {
        problems.push(ConfigProblem::of_origin(
            &Origin::BuiltIn,
            "inconsistent",
            "the checked values do not form a configuration",
        ));
        ConfigError {
            problems: std::mem::take(problems),
        }
    })
}

fn entries(winners: &BTreeMap<&'static str, &Setting>) -> Vec<ConfigEntry> {
    KEYS.iter()
        .filter_map(|key| winners.get(key.path).map(|setting| (key, setting)))
        .map(|(key, setting)| ConfigEntry {
            key: key.path,
            value: if key.is_secret() && setting.value != ValueKind::String(String::new()) {
                MASK.to_owned()
            } else {
                shown(&setting.value)
            },
            origin: setting.origin.clone(),
        })
        .collect()
}

fn shown(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) if text.is_empty() => "(not set)".to_owned(),
        ValueKind::Array(values) => {
            let values: Vec<String> = values.iter().map(Value::to_string).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}
