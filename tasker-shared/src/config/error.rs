//! What is wrong with a configuration, all of it at once.
//!
//! A problem names its origin (file, variable, command line), the key, a stable
//! code and what would be allowed. Values of secret keys never appear.

use std::fmt;

use serde::Serialize;

use super::origin::Origin;

/// One refused value, key or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigProblem {
    pub origin: Origin,
    /// `section.key`; none when a whole file is unusable.
    pub key: Option<String>,
    /// Stable: `unknown_key`, `misplaced_section`, `wrong_type`, `out_of_range`,
    /// `invalid_value`, `unreadable_file`, `invalid_toml`, `missing_directory`,
    /// `unknown_environment`, `public_bind`, `inconsistent`,
    /// `database_url_missing`.
    pub code: &'static str,
    pub message: String,
}

impl ConfigProblem {
    pub(super) fn of_key(
        origin: &Origin,
        key: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            origin: origin.clone(),
            key: Some(key.to_owned()),
            code,
            message: message.into(),
        }
    }

    pub(super) fn of_origin(
        origin: &Origin,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            origin: origin.clone(),
            key: None,
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(formatter, "{key} ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// The configuration is refused: nothing was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one; in the order of the layers.
    pub problems: Vec<ConfigProblem>,
}

impl ConfigError {
    pub(super) fn one(problem: ConfigProblem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(formatter, "configuration refused: {only}"),
            problems => {
                write!(
                    formatter,
                    "configuration refused, {} problems:",
                    problems.len()
                )?;
                for problem in problems {
                    write!(formatter, "\n  {problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
