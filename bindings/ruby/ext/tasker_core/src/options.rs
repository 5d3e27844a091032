//! The options of `Native::Worker.start` and of the others that start: a Hash with String keys, read strictly.

use std::path::PathBuf;

use magnus::{Error, Ruby, Value};
use serde::Deserialize;

use crate::encode;
use crate::entry::{raise, Kind};

/// See `lib/tasker_core/worker.rb`, which makes them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// None: what `TASKER_CONFIG_DIR` names, or `./config` if there is one, as for the
    /// Rust programs.
    pub(crate) config_dir: Option<PathBuf>,
    /// `("section.key", value)`, above all files and variables.
    pub(crate) overrides: Vec<(String, String)>,
    /// What this process can certainly run: decides which namespaces it serves when none
    /// are configured.
    pub(crate) handler_classes: Vec<String>,
    pub(crate) templates: Vec<TemplateText>,
    /// Ruby hands executions on to jobs of its host's queue, in whose processes
    /// `Native::Adopter`s take them over.
    pub(crate) hands_on: bool,
}

/// A template to register before the first claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateText {
    /// What messages call it.
    pub(crate) source: String,
    pub(crate) yaml: String,
    pub(crate) environment: String,
}

/// Reads the options.
///
/// # Errors
/// `TaskerCore::ConfigurationError` for an unknown or missing key or a wrong type.
pub(crate) fn read(ruby: &Ruby, options: Value) -> Result<Options, Error> {
    let json = encode::to_json(ruby, "options", options)?;
    serde_json::from_value(json).map_err(|error| {
        let message = format!("the options of the worker: {error}");
        raise(ruby, Kind::Configuration, "invalid_options", message)
    })
}
