//! Configuration: every value an operator may change, in one validated tree.
//!
//! Layers, each over the one before: the base files built into the binary, the
//! base files of the configuration directory, the files of the environment,
//! `TASKER__SECTION__KEY` variables, command-line flags. Every value of every
//! layer is checked against the table in `keys`, so a key is refused when it is
//! unknown, of the wrong type or out of range, with the place it came from, and
//! all problems are reported at once.
//!
//! INVARIANT: defaults are the `Default` impls in `sections`; the base files
//! repeat them with comments, and a test compares the two.
//! INVARIANT: no error, log line or listing ever holds the database URL.

mod checks;
mod database_url;
mod error;
mod files;
mod identity;
mod keys;
mod layer;
mod loaded;
mod origin;
mod reading;
mod secret;
mod sections;
mod sources;
mod variables;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, ConfigProblem};
pub use loaded::{load, ConfigEntry, Loaded};
pub use origin::Origin;
pub use secret::Secret;
pub use sections::{
    Audit, Config, Database, Engine, IdentityStrategy, IndexProfile, LogFormat, Mode,
    Orchestration, Telemetry, Templates, Worker,
};
pub use sources::{ConfigSources, DEFAULT_ENVIRONMENT};
