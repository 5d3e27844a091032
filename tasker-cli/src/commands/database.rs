//! A connection to the database for the commands that work on it directly, and
//! what its errors mean at a terminal.

use tasker_shared::config::Config;
use tasker_shared::store::migrate::MigrateError;
use tasker_shared::store::{ErrorClass, OpenError, Store, StoreError};

use crate::failure::{Exit, Failure};

/// Connects once; a person at a terminal does not want to wait for a database.
pub(crate) async fn connect(config: &Config) -> Result<Store, Failure> {
    Store::connect(config)
        .await
        .map_err(|error| unreachable(config, &error))
}

/// Connects, waiting as long as configured, and migrates if configured, as the
/// services do at their start.
pub(crate) async fn open(config: &Config) -> Result<Store, Failure> {
    Store::open(config)
        .await
        .map_err(|error| open_failed(config, &error))
}

/// What an error at the start of a service means at a terminal.
pub(crate) fn open_failed(config: &Config, error: &OpenError) -> Failure {
    match error {
        OpenError::Unreachable { source, .. } | OpenError::Store(source) => {
            unreachable(config, source)
        }
        OpenError::Migrate(error) => migration_failed(error),
        OpenError::NotMigrated { .. } => Failure::of(Exit::Refused, error),
    }
}

fn unreachable(config: &Config, error: &StoreError) -> Failure {
    let place = config.database.describe();
    match error {
        StoreError::NoDatabase | StoreError::BadUrl => Failure::of(Exit::Usage, error)
            .remedy("give one with --set database.url=postgres://user@host/name or DATABASE_URL")
            .remedy("`tasker dev` runs with a database of its own"),
        _ if error.class() == ErrorClass::RetryAfter => Failure::of(Exit::Unreachable, error)
            .remedy(format!("is the database running at {place}?")),
        _ => Failure::of(Exit::Unreachable, error).remedy(format!("tried {place}")),
    }
}

/// What a failed statement means at a terminal.
pub(crate) fn failed(error: &StoreError) -> Failure {
    // Undefined table, undefined schema.
    if matches!(error.sqlstate().as_deref(), Some("42P01" | "3F000")) {
        return Failure::new(Exit::CheckFailed, "this database was never migrated")
            .remedy("`tasker migrate` brings it to the schema this program needs");
    }
    let exit = if error.is_transient() {
        Exit::Unreachable
    } else {
        Exit::Internal
    };
    Failure::of(exit, error)
}

pub(crate) fn migration_failed(error: &MigrateError) -> Failure {
    let exit = if error.is_transient() {
        Exit::Unreachable
    } else {
        Exit::Refused
    };
    Failure::of(exit, error)
}
