//! The store: every SQL statement of the engine, and nothing else.
//!
//! PostgreSQL rows are the truth; [`Store`] holds a pool and a cache of template
//! definitions, which never change once stored. The way of a step through the
//! files: `submit` writes it, `claim` starts an attempt, `advance` applies the
//! outcome and enqueues what became ready, `sweep` brings back what waits for a
//! time or lost its worker, `adopt` gives an attempt to another process, `operate` is
//! what a person does, `records` what a handler stores besides, `read` shows it, `feed`
//! tells of it as events, `verify` checks it all.
//!
//! LOCKS: every change to a task's steps, counters, gates or messages happens
//! under the row lock of its `tasker.task_runs` row, taken in task id order.
//! Only claims, adoptions and lease renewals do without it, and they never wait
//! (SKIP LOCKED). So there is no order among the other rows to get wrong.

mod adopt;
mod advance;
mod attempt;
mod begin;
mod claim;
mod definition;
mod error;
pub mod feed;
mod front;
pub mod health;
pub mod migrate;
mod open;
pub mod operate;
mod parked;
pub mod queue;
pub mod read;
pub mod records;
mod repair;
mod results;
pub mod submit;
mod sweep;
mod take;
pub mod templates;
pub mod verify;
mod waking;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{Config, Database, Engine};
use crate::messaging::{Channel, WakeHub, WAKE_CHANNEL};

pub use adopt::{AdoptConnection, Handed};
pub use advance::{AdvanceConnection, Advanced};
pub use attempt::{Attempt, Report};
pub use begin::begin;
pub use claim::{Claim, ClaimConnection, Claimed, Lease, ParentResults};
pub use definition::Definition;
pub use error::{ErrorClass, StoreError};
pub use open::{migrate_options, OpenError};
pub use repair::{Repairs, Survey};
pub use results::{ReportConnection, ResultConnection, ResultsTaken};
pub use sweep::{Delays, Look, Reach};
pub use take::{Room, Taken};
pub use worker::WorkerRecord;

/// Access to the database. Cheap to clone; all clones share pool and cache.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    connect: PgConnectOptions,
    engine: Engine,
    patience: Duration,
    definitions: RwLock<HashMap<i64, Arc<Definition>>>,
    lookups: templates::LookupCache,
    hub: OnceLock<WakeHub>,
    /// Ends the hub's loops with the last clone of the store.
    hub_ended: DropGuard,
}

impl Store {
    /// Opens a pool and checks that the database answers. One attempt: services
    /// decide how long to go on trying.
    ///
    /// # Errors
    /// `StoreError::NoDatabase` without a URL, `BadUrl` for one that cannot be
    /// read, otherwise what the server said.
    pub async fn connect(config: &Config) -> Result<Self, StoreError> {
        let connect = connect_options(&config.database)?;
        let after = Duration::from_millis(config.database.acquire_timeout_ms);
        // Asked on a connection of its own: a pool tries until its time is up and
        // then says only that, not what the server or the network said.
        let asked = tokio::time::timeout(after, PgConnection::connect_with(&connect)).await;
        asked
            .map_err(|_| StoreError::Timeout { after })??
            .close()
            .await?;
        let pool = PgPoolOptions::new()
            .max_connections(config.database.pool_max_connections)
            .acquire_timeout(after)
            .connect_lazy_with(connect.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                connect,
                engine: config.engine.clone(),
                patience: Duration::from_millis(config.database.statement_timeout_ms)
                    + PATIENCE_MARGIN,
                definitions: RwLock::default(),
                lookups: templates::LookupCache::default(),
                hub: OnceLock::new(),
                hub_ended: CancellationToken::new().drop_guard(),
            }),
        })
    }

    pub fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Options for a connection outside the pool, session settings included.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.inner.connect.clone()
    }

    /// The process's wakes: the first call starts sending and listening. Shared
    /// by all roles of a process, so that they wake each other without the
    /// database.
    pub fn hub(&self) -> &WakeHub {
        self.inner.hub.get_or_init(|| {
            let interval = Duration::from_millis(self.engine().wake_interval_ms);
            WakeHub::start(&self.inner.connect, interval, self.inner.hub_ended.token())
        })
    }

    /// Wakes after a commit, also from a process that has no hub (a command-line
    /// tool). Only a hint: an error is logged and forgotten.
    pub(crate) async fn tell(&self, channels: &[Channel]) {
        if let Some(hub) = self.inner.hub.get() {
            for channel in channels {
                hub.wake(channel);
            }
            return;
        }
        let names: Vec<String> = channels.iter().map(Channel::name).collect();
        let told = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
            .bind(WAKE_CHANNEL)
            .bind(&names)
            .execute(self.pool())
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "wake not sent");
        }
    }

    /// How long a loop waits for one turn's statements before it gives the
    /// connection up. A little more than the server's own limit: it only strikes
    /// where nothing comes back at all, as behind a silent partition.
    pub fn patience(&self) -> Duration {
        self.inner.patience
    }

    /// A connection of one's own, for a loop that would otherwise hold a pooled
    /// one for ever, with `settings` as its session's.
    async fn dedicated(&self, settings: &[(&str, &str)]) -> Result<PgConnection, StoreError> {
        let options = self.connect_options().options(settings.iter().copied());
        let connecting = PgConnection::connect_with(&options);
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connection) => Ok(connection?),
            Err(_) => Err(StoreError::Timeout {
                after: CONNECT_TIMEOUT,
            }),
        }
    }
}

const PATIENCE_MARGIN: Duration = Duration::from_secs(2);

/// A server that does not answer by then is as good as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Session settings of the statements that run for every step.
///
/// The plans of these statements are known (primary keys throughout). A generic
/// plan made while the tables were empty would be kept and would scan them when
/// they have grown; forbidding sequential scans makes the plan right from the
/// first row on, and re-planning for every call would cost more than the call.
const HOT_PATH: [(&str, &str); 3] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// A further setting for statements that work on a batch. They reach every base
/// table by `= ANY (array)`; everything else is a join of the batch with itself.
/// The planner takes a batch for a row or ten and would join it by nested loops:
/// 250,000 comparisons for 500 steps, where a hash join does 500.
const BATCH_JOINS: (&str, &str) = ("enable_nestloop", "off");

/// Settings of a connection for the statements of batches: both of the above.
pub const BATCH_PATH: [(&str, &str); 4] = [HOT_PATH[0], HOT_PATH[1], HOT_PATH[2], BATCH_JOINS];

/// The value of the setting `search_path` that finds the engine's tables.
pub fn search_path(database: &Database) -> String {
    format!("\"{}\"", database.schema.replace('"', "\"\""))
}

/// Which database it is, for messages: never with the password.
fn place(database: &Database) -> String {
    let Ok(options) = connect_options(database) else {
        return "no address".to_owned();
    };
    let name = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{name} at {}", socket.display()),
        None => format!("{name} at {}:{}", options.get_host(), options.get_port()),
    }
}

fn connect_options(database: &Database) -> Result<PgConnectOptions, StoreError> {
    let Some(url) = &database.url else {
        return Err(StoreError::NoDatabase);
    };
    let options: PgConnectOptions = url.expose().parse().map_err(|_| StoreError::BadUrl)?;
    let statement_timeout = database.statement_timeout_ms.to_string();
    let search_path = search_path(database);
    let idle_timeout = database.idle_in_transaction_timeout_ms.to_string();
    Ok(options.application_name("tasker").options([
        // Rails writes UTC into columns without time zone; so must every session.
        ("timezone", "UTC"),
        ("search_path", search_path.as_str()),
        ("statement_timeout", statement_timeout.as_str()),
        ("idle_in_transaction_session_timeout", idle_timeout.as_str()),
        // Loops have connections that may say nothing for hours. What keeps track of
        // them on the way (NAT, firewalls) forgets silent ones within minutes.
        ("tcp_keepalives_idle", "60"),
    ]))
}
