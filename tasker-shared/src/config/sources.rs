//! What a configuration is read from.
//!
//! Given by the caller rather than read here, so that a test decides every input
//! and a library never reaches for the environment behind its user's back.

use std::fmt;
use std::path::{Path, PathBuf};

/// The environment when `TASKER_ENV` names none.
pub const DEFAULT_ENVIRONMENT: &str = "development";

/// The inputs of [`super::load`].
#[derive(Clone, Default)]
pub struct ConfigSources {
    /// Holds `shared/`, `orchestration/` and `worker/`, each with `base.toml` and
    /// `environments/<environment>.toml`; any of them may be missing. None: only
    /// the defaults built into the binary.
    pub directory: Option<PathBuf>,
    pub environment: String,
    /// `("section.key", value)` from the command line, last one wins.
    pub overrides: Vec<(String, String)>,
    /// Environment variables; only `TASKER__*` and `DATABASE_URL` are looked at.
    pub variables: Vec<(String, String)>,
}

impl ConfigSources {
    /// The sources of this process: its variables, `TASKER_ENV`, and the directory
    /// given, or else `TASKER_CONFIG_DIR`, or else `./config` if there is one.
    pub fn from_process(directory: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        // Variables that are not UTF-8 must not stop a process they do not concern.
        let variables: Vec<(String, String)> = std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect();
        let named = |wanted: &str| {
            variables
                .iter()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let directory = directory
            .or_else(|| named("TASKER_CONFIG_DIR").map(PathBuf::from))
            .or_else(|| Some(Path::new("config").to_path_buf()).filter(|path| path.is_dir()));
        Self {
            directory,
            environment: named("TASKER_ENV").unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned()),
            overrides,
            variables,
        }
    }
}

/// Variables and flags hold secrets: only their number is shown.
impl fmt::Debug for ConfigSources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConfigSources")
            .field("directory", &self.directory)
            .field("environment", &self.environment)
            .field("overrides", &self.overrides.len())
            .field("variables", &self.variables.len())
            .finish()
    }
}
