//! What services ask of the server while there is nothing to do.
//!
//! Counted by the server itself, on a cluster of its own because the counting has to be
//! loaded at its start. Each role has a database user of its own, so that statements can
//! be told apart, and all databases are idle at the same time.

use std::time::Duration;

use anyhow::{ensure, Context as _, Result};

use crate::cli::{arguments, Globals, Mode};
use crate::measure::Frame;
use crate::record::{named, Record};
use crate::running::register;
use crate::services::{Fleet, Services};
use crate::shape::Shape;
use crate::stage::{Database, Stage};
use crate::stats::rounded;

arguments!(IdleArgs {
    /// How long the services have been idle when counting begins
    settle: u64 = 60,
    /// How long statements are counted
    seconds: u64 = 60,
});

/// Numbers of namespaces; a worker serves all of them.
const NAMESPACES: [usize; 2] = [1, 4];
/// Users, by role; each is granted what the ordinary user of the cluster may.
const ORCHESTRATOR: &str = "bench_orchestrator";
const WORKER: &str = "bench_worker";

/// A record for each number of namespaces.
pub(crate) async fn run(stage: &Stage, args: &IdleArgs) -> Result<Vec<Record>> {
    ensure!(
        stage.cluster().is_some(),
        "statements can only be counted on a private cluster"
    );
    let mut stage = Stage::new(Globals {
        profile: true,
        ..stage.globals.clone()
    })?;
    let mut pairs = Vec::new();
    for namespaces in NAMESPACES {
        pairs.push(Pair::start(&mut stage, namespaces).await?);
    }
    tokio::time::sleep(Duration::from_secs(args.settle)).await;
    let mut before = Vec::new();
    for pair in &pairs {
        before.push(pair.statements(&stage)?);
    }
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let mut counted = Vec::new();
    for (pair, before) in pairs.iter().zip(before) {
        counted.push(pair.statements(&stage)?.since(before, args.seconds));
    }
    let mut records = Vec::new();
    for (pair, per_minute) in pairs.into_iter().zip(counted) {
        let pool = pair.database.store.pool().clone();
        let record = Frame::begin(&stage, &pool)
            .await?
            .end(&pool, "idle")
            .await?;
        let values = [
            ("namespaces", pair.namespaces as f64),
            ("orchestrator_per_minute", per_minute.orchestrator),
            ("worker_per_minute", per_minute.worker),
        ];
        records.push(Record {
            variant: Some(format!("namespaces={}", pair.namespaces)),
            shape: "nothing to do".to_owned(),
            mode: Some(Mode::Queued),
            seconds: args.seconds as f64,
            values: named(values),
            ..record
        });
        pair.finish().await?;
    }
    Ok(records)
}

/// An orchestrator and a worker on a database with so many namespaces.
struct Pair {
    namespaces: usize,
    database: Database,
    orchestrator: Services,
    worker: Services,
}

impl Pair {
    async fn start(stage: &mut Stage, namespaces: usize) -> Result<Self> {
        eprintln!("idle: {namespaces} namespaces");
        let database = stage.database().await?;
        let in_namespace = |n| Shape::linear(4).in_namespace(&format!("bench_{n}"));
        let shapes: Vec<Shape> = (1..=namespaces).map(in_namespace).collect();
        register(&database.store, &shapes).await?;
        let orchestrator = as_user(stage, &database, ORCHESTRATOR)?;
        let worker = as_user(stage, &database, WORKER)?;
        Ok(Self {
            namespaces,
            database,
            orchestrator: Services::start(stage, &orchestrator, Fleet::queued(1, 0)).await?,
            worker: Services::start(stage, &worker, Fleet::queued(0, 1)).await?,
        })
    }

    /// Statements so far, in any transaction or none.
    fn statements(&self, stage: &Stage) -> Result<Statements> {
        let count = |user: &str| -> Result<f64> {
            let rows = stage.admin(
                &self.database.name,
                &format!(
                    "SELECT COALESCE(sum(calls), 0)
                       FROM pg_stat_statements s
                       JOIN pg_database d ON d.oid = s.dbid
                       JOIN pg_roles u ON u.oid = s.userid
                      WHERE d.datname = current_database() AND u.rolname = '{user}'"
                ),
            )?;
            let count = rows.into_iter().flatten().flatten().next();
            Ok(count.context("the server counts no statements")?.parse()?)
        };
        Ok(Statements {
            orchestrator: count(ORCHESTRATOR)?,
            worker: count(WORKER)?,
        })
    }

    async fn finish(self) -> Result<()> {
        self.worker.stop().await?;
        self.orchestrator.stop().await?;
        self.database.verify().await
    }
}

#[derive(Debug, Clone, Copy)]
struct Statements {
    orchestrator: f64,
    worker: f64,
}

impl Statements {
    /// In a minute, as counted over so many seconds.
    fn since(self, before: Self, seconds: u64) -> Self {
        let per_minute =
            |now: f64, before: f64| rounded((now - before) * 60.0 / seconds.max(1) as f64);
        Self {
            orchestrator: per_minute(self.orchestrator, before.orchestrator),
            worker: per_minute(self.worker, before.worker),
        }
    }
}

/// The same database for another user, who is made on the way.
fn as_user(stage: &Stage, database: &Database, user: &str) -> Result<Database> {
    stage.admin(
        &database.name,
        &format!(
            "DO $$ BEGIN
               IF to_regrole('{user}') IS NULL THEN CREATE ROLE {user} LOGIN IN ROLE tasker; END IF;
             END $$"
        ),
    )?;
    // Over the socket everybody gets in without a password.
    let (_, server) = database
        .url
        .split_once('@')
        .context("the URL of the cluster names no user")?;
    Ok(Database {
        url: format!("postgres://{user}@{server}"),
        ..database.clone()
    })
}
