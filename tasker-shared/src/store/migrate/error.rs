//! Why a migration was refused or failed.
//!
//! Every refusal happens before the first change. Messages are for operators
//! and name what to do; they hold no SQL text and no credentials.

use std::fmt;
use std::time::Duration;

use super::decide::PlannedStep;
use super::observe::Observed;
use super::MigrateOptions;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    #[error("PostgreSQL {found} is too old: Tasker needs version 15 or newer")]
    ServerTooOld { found: String },

    #[error("\"{schema}\" cannot hold the tasker_* tables: use a name of 1 to 63 bytes that is not pg_*, information_schema, tasker or pgmq")]
    InvalidSchema { schema: String },

    #[error("newer schema: the database is at version {database}, this program knows {binary}; run a newer Tasker")]
    NewerSchema { database: i32, binary: i32 },

    #[error("migration {version:04}_{name} is recorded with checksum {recorded}, this program carries {expected}: one of the two was changed after its release")]
    ChecksumMismatch {
        version: i32,
        name: String,
        recorded: String,
        expected: String,
    },

    /// The Rails tables are there, but this engine cannot work on them.
    #[error(
        "the tasker_* tables in schema \"{schema}\" differ from the Rails engine's: {}",
        list(differences, "; ")
    )]
    Incompatible {
        schema: String,
        differences: Vec<Difference>,
    },

    #[error("the ledger says the tasker_* tables exist, but schema \"{schema}\" has none: was it migrated under another schema name?")]
    TablesMissing { schema: String },

    /// `grants` are statements an owner of the objects can run as they are.
    #[error(
        "role \"{role}\" lacks privileges; have the owner run: {}",
        list(grants, "; ")
    )]
    MissingGrant { role: String, grants: Vec<String> },

    #[error(
        "PGMQ is installed here by other means and lacks {}: upgrade it, or drop it if unused",
        list(missing, ", ")
    )]
    PgmqUnusable { missing: Vec<String> },

    #[error("another migration held the lock for more than {waited:?}{}", holder(*holder_pid))]
    LockTimeout {
        waited: Duration,
        holder_pid: Option<i32>,
    },

    #[error("step {step} waited more than {waited:?} for a table in use by another session")]
    Blocked {
        step: String,
        waited: Duration,
        source: sqlx::Error,
    },

    #[error("step {step}: role \"{role}\" may not do this: {source}; run the migration as the owner of these objects")]
    Denied {
        step: String,
        role: String,
        source: sqlx::Error,
    },

    #[error("step {step} failed and was rolled back: {source}")]
    StepFailed { step: String, source: sqlx::Error },

    #[error("PGMQ could not be installed: {source}")]
    Pgmq { source: pgmq::PgmqError },

    #[error("the database cannot be read: {0}")]
    Database(#[from] sqlx::Error),
}

impl MigrateError {
    /// Stable name for logs and exit messages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ServerTooOld { .. } => "server_too_old",
            Self::InvalidSchema { .. } => "invalid_schema",
            Self::NewerSchema { .. } => "newer_schema",
            Self::ChecksumMismatch { .. } => "checksum_mismatch",
            Self::Incompatible { .. } => "incompatible_tables",
            Self::TablesMissing { .. } => "tables_missing",
            Self::MissingGrant { .. } => "missing_grant",
            Self::PgmqUnusable { .. } => "pgmq_unusable",
            Self::LockTimeout { .. } => "migration_locked",
            Self::Blocked { .. } => "migration_blocked",
            Self::Denied { .. } => "migration_denied",
            Self::StepFailed { .. } => "migration_failed",
            Self::Pgmq { .. } => "pgmq_install_failed",
            Self::Database(_) => "database",
        }
    }

    /// Whether the same call may succeed later without anyone's help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::LockTimeout { .. } | Self::Blocked { .. } => true,
            Self::Database(source)
            | Self::StepFailed { source, .. }
            | Self::Pgmq {
                source: pgmq::PgmqError::DatabaseError(source),
            } => is_connection_loss(source),
            _ => false,
        }
    }

    pub(super) fn of_step(
        step: &PlannedStep,
        seen: &Observed,
        options: &MigrateOptions,
        source: sqlx::Error,
    ) -> Self {
        let step = step.name.clone();
        if is_lock_timeout(&source) {
            let waited = options.lock_wait;
            return Self::Blocked {
                step,
                waited,
                source,
            };
        }
        match sqlstate(&source).as_deref() {
            Some("42501") => Self::Denied {
                step,
                role: seen.role.clone(),
                source,
            },
            _ => Self::StepFailed { step, source },
        }
    }
}

/// One way in which existing tables differ from what this engine works on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    MissingTable {
        table: String,
    },
    MissingColumn {
        table: String,
        column: String,
        expected: String,
    },
    WrongType {
        table: String,
        column: String,
        expected: String,
        found: String,
    },
    WrongNullability {
        table: String,
        column: String,
        expected_nullable: bool,
    },
    /// A key that no sequence fills.
    MissingDefault {
        table: String,
        column: String,
    },
    /// A column this engine does not know and would have to fill.
    RequiredColumn {
        table: String,
        column: String,
    },
    /// Uniqueness the engine relies on.
    MissingUnique {
        table: String,
        columns: String,
        /// Over the rows with `most_recent` only.
        most_recent_only: bool,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTable { table } => write!(f, "table {table} is missing"),
            Self::MissingColumn {
                table,
                column,
                expected,
            } => write!(f, "column {table}.{column} ({expected}) is missing"),
            Self::WrongType {
                table,
                column,
                expected,
                found,
            } => write!(
                f,
                "column {table}.{column} is {found} instead of {expected}"
            ),
            Self::WrongNullability {
                table,
                column,
                expected_nullable: true,
            } => write!(f, "column {table}.{column} must accept NULL"),
            Self::WrongNullability { table, column, .. } => {
                write!(f, "column {table}.{column} must be NOT NULL")
            }
            Self::MissingDefault { table, column } => {
                write!(f, "column {table}.{column} has no default")
            }
            Self::RequiredColumn { table, column } => write!(
                f,
                "column {table}.{column} is unknown, NOT NULL and without default"
            ),
            Self::MissingUnique {
                table,
                columns,
                most_recent_only,
            } => {
                write!(f, "table {table} has no unique index on ({columns})")?;
                if *most_recent_only {
                    write!(f, " where most_recent")?;
                }
                Ok(())
            }
        }
    }
}

pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    sqlstate(error).as_deref() == Some("55P03")
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Class 08 is a lost connection, 57P0x a server that starts or stops.
fn is_connection_loss(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        _ => sqlstate(error).is_some_and(|code| code.starts_with("08") || code.starts_with("57P0")),
    }
}

fn list<T: fmt::Display>(items: &[T], separator: &str) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(separator)
}

fn holder(pid: Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (server process {pid})"))
}
