//! One layer of checked values, as the `config` crate merges them.

use std::fmt;

use ::config::{ConfigError as MergeError, Map, Source, Value, ValueKind};

use super::error::ConfigProblem;
use super::keys::{find, names_in, Key};
use super::origin::Origin;
use super::reading::Raw;

/// A checked value and where it was set.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) value: ValueKind,
    pub(super) origin: Origin,
}

/// The settings of one source.
#[derive(Clone, Default)]
pub(super) struct Layer {
    pub(super) settings: Vec<Setting>,
}

impl Layer {
    /// Checks a value and keeps it, or says what is wrong with it.
    pub(super) fn set(
        &mut self,
        path: &str,
        raw: &Raw<'_>,
        origin: Origin,
        problems: &mut Vec<ConfigProblem>,
    ) {
        let Some(key) = find(path) else {
            problems.push(unknown(path, &origin));
            return;
        };
        match key.read(raw) {
            Ok(value) => self.keep(key, value, origin),
            Err(refusal) => problems.push(ConfigProblem::of_key(
                &origin,
                path,
                refusal.code,
                refusal.message,
            )),
        }
    }

    fn keep(&mut self, key: &'static Key, value: ValueKind, origin: Origin) {
        self.settings.push(Setting {
            key: key.path,
            value,
            origin,
        });
    }
}

fn unknown(path: &str, origin: &Origin) -> ConfigProblem {
    let section = path.split('.').next().unwrap_or_default();
    let known = names_in(section);
    let message = if known.is_empty() {
        "is an unknown key; sections are database, engine, templates, telemetry, orchestration, \
         worker"
            .to_owned()
    } else {
        format!(
            "is an unknown key; keys of {section} are {}",
            known.join(", ")
        )
    };
    ConfigProblem::of_key(origin, path, "unknown_key", message)
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, MergeError> {
        Ok(self
            .settings
            .iter()
            .map(|setting| {
                let origin = setting.origin.to_string();
                let value = Value::new(Some(&origin), setting.value.clone());
                (setting.key.to_owned(), value)
            })
            .collect())
    }
}

/// Values may be secret: only their number is shown.
impl fmt::Debug for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Layer({} settings)", self.settings.len())
    }
}
