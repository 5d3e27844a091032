//! A server that nobody else writes to, and what a piece of work asked of it.
//!
//! Transaction ids and WAL are counted for a whole cluster, so the tests that count
//! them have one of their own and take turns on it. Statements are read from the
//! server's log: a line is written before its statement runs, so none is missing when
//! the work is done. Pages never go to WAL in full, which they otherwise do once a
//! checkpoint; what is left is the same for the same work, but for a few hundred bytes.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use sqlx::{Connection as _, PgConnection};
use tasker_cluster::{Cluster, Settings};
use tasker_shared::config::Config;
use tokio::sync::{Mutex, MutexGuard};

use crate::engine::harness::Engine;

/// What a piece of work asked of the server.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// The first three words of each statement, in the order in which they ran.
    pub(super) statements: Vec<String>,
    /// Transactions that took an id: those that wrote.
    pub(super) commits: i64,
    pub(super) wal_bytes: i64,
}

/// An engine on a database of its own, alone on the server until it is dropped.
pub(super) struct Meter {
    pub(super) engine: Engine,
    server: PgConnection,
    database: String,
    log: File,
    _alone: MutexGuard<'static, ()>,
}

/// The cluster. Nothing drops it: its watchdog stops it when the process ends.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let settings = Settings::test()
            .set("log_statement", "all")
            .set("log_parameter_max_length", "0")
            // A line begins with the database; all but the first of a statement with a tab.
            .set("log_line_prefix", "%d ");
        Cluster::builder().settings(settings).start().unwrap()
    })
}

impl Meter {
    pub(super) async fn new(configure: impl FnOnce(&mut Config)) -> Self {
        static ALONE: Mutex<()> = Mutex::const_new(());
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let alone = ALONE.lock().await;
        let cluster = cluster();
        let database = format!("costs_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.create_database(&database).unwrap();
        Self {
            engine: Engine::at(&cluster.url(&database), configure).await,
            // Of another database, so that its own statements are not counted.
            server: PgConnection::connect(&cluster.admin_url("postgres"))
                .await
                .unwrap(),
            database,
            log: File::open(cluster.log_file()).unwrap(),
            _alone: alone,
        }
    }

    /// The answer of `work`, and what it cost.
    pub(super) async fn of<T>(&mut self, work: impl AsyncFnOnce(&mut Engine) -> T) -> (T, Spent) {
        self.log.seek(SeekFrom::End(0)).unwrap();
        let before = self.counters().await;
        let answer = work(&mut self.engine).await;
        let after = self.counters().await;
        let spent = Spent {
            statements: self.statements(),
            commits: after.0 - before.0,
            wal_bytes: after.1 - before.1,
        };
        (answer, spent)
    }

    /// Transaction ids given out and bytes of WAL written, since the cluster was made.
    async fn counters(&mut self) -> (i64, i64) {
        sqlx::query_as(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint",
        )
        .fetch_one(&mut self.server)
        .await
        .unwrap()
    }

    /// What this database was asked since `of` began.
    fn statements(&mut self) -> Vec<String> {
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        // The lines of an entry after its first begin with a tab: a line feed that
        // is followed by none ends it.
        let begin = format!("\n{} LOG:  ", self.database);
        let text = format!("\n{text}").replace("\n\t", " \t");
        let entries = text.split(&begin).skip(1);
        entries
            .filter_map(|rest| first_words(rest.lines().next()?))
            .collect()
    }
}

/// The first three words of the statement in an entry, comments left out; none if it
/// speaks of something else.
fn first_words(entry: &str) -> Option<String> {
    let (kind, statement) = entry.split_once(": ")?;
    if kind != "statement" && !kind.starts_with("execute ") {
        return None;
    }
    let code = statement
        .split('\t')
        .filter(|line| !line.trim_start().starts_with("--"));
    let words: Vec<&str> = code.flat_map(str::split_whitespace).take(3).collect();
    // The engine begins to hear wakes whenever its connection for that is there.
    (words[0] != "LISTEN").then(|| words.join(" "))
}
