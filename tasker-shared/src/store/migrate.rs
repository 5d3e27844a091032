//! Brings a database to the schema this binary needs, once, however many
//! processes start at the same moment.
//!
//! Two ways in: on a fresh database migration 0001 creates the Rails tables;
//! on a database that has them it is recorded as attached and nothing of them
//! is touched. The engine's own schema `tasker` and PGMQ follow in both cases.
//!
//! Read, decide, apply: `observe` reads the catalog, `decide` (pure) turns what
//! it saw into steps, and [`migrate`] runs the very text that [`plan`] shows.
//! INVARIANT: each step is one transaction and records itself in the ledger
//! `tasker.schema_migrations`, so a killed run leaves whole steps only.
//! ORDER: steps run under a session advisory lock on a connection of their
//! own, outside the pool. Dropping the future closes that connection, which
//! rolls the open step back and frees the lock. A transaction pooler cannot
//! hold such a lock: migrate over a direct connection.

mod decide;
mod error;
mod files;
mod grants;
mod observe;
mod pgmq;
mod rails;

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};

use decide::Action;
use observe::Observed;

pub use decide::PlannedStep;
pub use error::{Difference, MigrateError};

/// Any constant does, as long as no other program on this database uses it:
/// the bytes of "taskmigr".
const LOCK_KEY: i64 = 0x7461_736b_6d69_6772;

/// Which indexes a fresh database gets on the hot tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexProfile {
    /// Only what a statement of this engine uses.
    #[default]
    Lean,
    /// Everything the Rails engine has, its foreign keys included. May be
    /// asked for later too; an attached database is left as it is.
    Rails,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateOptions {
    pub index_profile: IndexProfile,
    /// Schema of the `tasker_*` tables; created if it does not exist.
    pub schema: String,
    /// How long to wait for another migration, and for any table lock.
    pub lock_wait: Duration,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        Self {
            index_profile: IndexProfile::default(),
            schema: "public".to_owned(),
            lock_wait: Duration::from_secs(60),
        }
    }
}

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationReport {
    /// Names of the steps run, in order; empty when all was current.
    pub applied: Vec<String>,
    /// The Rails tables were there before this engine.
    pub attached: bool,
}

/// Where a database stands against this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaStatus {
    /// The engine was never installed here.
    Missing,
    /// Installed, but these steps are to come.
    Pending {
        steps: Vec<String>,
    },
    Current,
    /// A newer binary has migrated it; this one must not run on it.
    Newer {
        database: i32,
        binary: i32,
    },
}

/// Brings the database of `pool` up to date.
///
/// Uses the pool's connection settings, not its connections, so it works with
/// a pool of any size. Needs no lock and no privilege where nothing is to do.
/// Cancel safe.
///
/// # Errors
/// See [`MigrateError`]; on any of them earlier steps stay applied, the failed
/// one is rolled back.
pub async fn migrate(
    pool: &PgPool,
    options: &MigrateOptions,
) -> Result<MigrationReport, MigrateError> {
    let settings = pool.connect_options();
    let mut conn = connect(&settings, options).await?;

    // Most starts find nothing to do. An error is not final here: without the
    // lock, another process may be half way through.
    let seen = observe::observe(&mut conn, options).await?;
    let idle = matches!(decide::decide(&seen, options), Ok(steps) if steps.is_empty());
    let applied = if idle {
        Vec::new()
    } else {
        lock(&mut conn, options).await?;
        apply(&mut conn, &settings, options).await?
    };
    let attached = observe::ledger(&mut conn)
        .await?
        .is_some_and(|rows| rows.iter().any(|row| row.attached));
    conn.close().await?;
    Ok(MigrationReport { applied, attached })
}

/// The steps [`migrate`] would run now, with their SQL. Changes nothing and
/// takes no lock.
///
/// # Errors
/// The refusals of [`migrate`].
pub async fn plan(
    pool: &PgPool,
    options: &MigrateOptions,
) -> Result<Vec<PlannedStep>, MigrateError> {
    let mut conn = connect(&pool.connect_options(), options).await?;
    let seen = observe::observe(&mut conn, options).await?;
    conn.close().await?;
    decide::decide(&seen, options)
}

/// Whether the database fits this binary: a few small catalog queries, fit for
/// a readiness probe. The index profile does not count, since the engine runs
/// with either.
///
/// # Errors
/// [`MigrateError::ChecksumMismatch`], [`MigrateError::MissingGrant`] where the
/// ledger may not be read, or the database cannot be reached.
pub async fn status(pool: &PgPool) -> Result<SchemaStatus, MigrateError> {
    let mut conn = pool.acquire().await?;
    let Some(ledger) = observe::ledger(&mut conn).await? else {
        return Ok(SchemaStatus::Missing);
    };
    let pgmq = pgmq::observe(&mut conn).await?;
    match decide::check_ledger(&ledger) {
        Err(MigrateError::NewerSchema { database, binary }) => {
            return Ok(SchemaStatus::Newer { database, binary })
        }
        other => other?,
    }
    let mut steps: Vec<String> = decide::unapplied(&ledger)
        .map(files::Migration::label)
        .collect();
    if pgmq.needs_install() {
        steps.push(decide::PGMQ_STEP.to_owned());
    }
    Ok(if steps.is_empty() {
        SchemaStatus::Current
    } else {
        SchemaStatus::Pending { steps }
    })
}

async fn apply(
    conn: &mut PgConnection,
    settings: &PgConnectOptions,
    options: &MigrateOptions,
) -> Result<Vec<String>, MigrateError> {
    let seen: Observed = observe::observe(conn, options).await?;
    let mut applied = Vec::new();
    for step in decide::decide(&seen, options)? {
        match step.action {
            Action::RunSql => run_sql(conn, &step, &seen, options).await?,
            Action::InstallPgmq => install_pgmq(settings, &step, &seen, options).await?,
        }
        tracing::info!(step = %step.name, "migration applied");
        applied.push(step.name);
    }
    Ok(applied)
}

/// Runs one step. Its text holds BEGIN and COMMIT; after an error the open
/// transaction ends with the connection, which no caller uses again.
async fn run_sql(
    conn: &mut PgConnection,
    step: &PlannedStep,
    seen: &Observed,
    options: &MigrateOptions,
) -> Result<(), MigrateError> {
    // A plain string goes out as one simple query, many statements included.
    // sqlx::raw_sql would too, but its future is not Send.
    conn.execute(step.sql.as_str())
        .await
        .map(|_| ())
        .map_err(|source| MigrateError::of_step(step, seen, options, source))
}

async fn install_pgmq(
    settings: &PgConnectOptions,
    step: &PlannedStep,
    seen: &Observed,
    options: &MigrateOptions,
) -> Result<(), MigrateError> {
    pgmq::install(session(settings, options))
        .await
        .map_err(|error| match error {
            ::pgmq::PgmqError::DatabaseError(source) => {
                MigrateError::of_step(step, seen, options, source)
            }
            source => MigrateError::Pgmq { source },
        })
}

async fn connect(
    settings: &PgConnectOptions,
    options: &MigrateOptions,
) -> Result<PgConnection, MigrateError> {
    Ok(session(settings, options).connect().await?)
}

/// Session settings of a migrating connection: a long index build is not cut
/// short, and a statement that waits for a table lock gives up instead of
/// queueing every other session behind itself.
fn session(settings: &PgConnectOptions, options: &MigrateOptions) -> PgConnectOptions {
    settings.clone().options([
        ("timezone", "UTC".to_owned()),
        ("client_min_messages", "warning".to_owned()),
        ("statement_timeout", "0".to_owned()),
        ("lock_timeout", lock_wait_ms(options).to_string()),
    ])
}

/// At least one millisecond: zero would mean waiting for ever.
fn lock_wait_ms(options: &MigrateOptions) -> u128 {
    options.lock_wait.as_millis().clamp(1, i32::MAX as u128)
}

/// Waits in the server, so a waiter goes on the moment the holder is done.
async fn lock(conn: &mut PgConnection, options: &MigrateOptions) -> Result<(), MigrateError> {
    let taken = sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(LOCK_KEY)
        .execute(&mut *conn)
        .await;
    match taken {
        Ok(_) => Ok(()),
        Err(source) if error::is_lock_timeout(&source) => Err(MigrateError::LockTimeout {
            waited: options.lock_wait,
            holder_pid: observe::lock_holder(conn, LOCK_KEY).await?,
        }),
        Err(source) => Err(source.into()),
    }
}
