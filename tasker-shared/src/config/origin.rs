//! Where a configuration value came from.
//!
//! Shown by `tasker config show` and named in every configuration error.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// The place that set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults built into the binary.
    BuiltIn,
    /// A file of the configuration directory; the line where one is known.
    File { path: PathBuf, line: Option<usize> },
    /// An environment variable, by name.
    Variable(String),
    /// A flag of the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => formatter.write_str("built-in default"),
            Self::File { path, line: None } => write!(formatter, "{}", path.display()),
            Self::File {
                path,
                line: Some(line),
            } => write!(formatter, "{}:{line}", path.display()),
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::CommandLine => formatter.write_str("command line"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
