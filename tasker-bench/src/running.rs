//! The engine at work on a database: its services, ready to be measured.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tasker_shared::domain::{parse_template_within, TemplateLimits};
use tasker_shared::store::{templates, Store};

use crate::cli::Mode;
use crate::drive::{Driver, Until};
use crate::record::Memory;
use crate::services::{Fleet, Services};
use crate::shape::Shape;
use crate::stage::{Database, Stage};
use crate::workload::Workload;
use crate::{proc, server};

pub(crate) struct Running {
    pub(crate) database: Database,
    pub(crate) services: Services,
    transactions: i64,
    /// How often the warm-up asked the database.
    pub(crate) warm_up_polls: u64,
    idle_mb: BTreeMap<String, f64>,
}

impl Running {
    /// On a database of its own, as the command line asks, and warm.
    pub(crate) async fn start(stage: &mut Stage, workload: &Workload, mode: Mode) -> Result<Self> {
        let fleet = Fleet::asked(&stage.globals, mode)?;
        let database = stage.database().await?;
        Self::warm(stage, database, workload, fleet).await
    }

    /// Services with this workload's templates, some tasks of which have run already.
    pub(crate) async fn warm(
        stage: &Stage,
        database: Database,
        workload: &Workload,
        fleet: Fleet,
    ) -> Result<Self> {
        eprintln!(
            "{}: tasks of {}, {fleet}",
            workload.command,
            workload.names().join(", ")
        );
        let mut running = Self::cold(stage, database, &workload.shapes, fleet).await?;
        let tasks = Until::Submitted(workload.warm_up_tasks(stage.globals.warm_up));
        let driver = running.driver(Duration::from_millis(stage.globals.poll_ms));
        let warm_up = driver
            .drive(&workload.names(), tasks, workload.in_flight)
            .await
            .with_context(|| running.services.log_tails())?;
        running.warm_up_polls = warm_up.polls;
        Ok(running)
    }

    /// Services that have done nothing yet, and these templates.
    pub(crate) async fn cold(
        stage: &Stage,
        database: Database,
        shapes: &[Shape],
        fleet: Fleet,
    ) -> Result<Self> {
        register(&database.store, shapes).await?;
        let transactions = server::transactions(database.store.pool()).await?;
        let services = Services::start(stage, &database, fleet).await?;
        Ok(Self {
            idle_mb: services.each(proc::rss_mb),
            database,
            services,
            transactions,
            warm_up_polls: 0,
        })
    }

    pub(crate) fn driver(&self, poll: Duration) -> Driver {
        Driver::new(
            self.services.clients.clone(),
            self.database.store.pool().clone(),
            poll,
        )
    }

    /// Idle and peak memory of each service.
    pub(crate) fn memory(&self) -> BTreeMap<String, Memory> {
        let peak = self.services.each(proc::peak_rss_mb);
        let both = |(name, &idle): (&String, &f64)| {
            Some((
                name.clone(),
                Memory {
                    idle,
                    peak: *peak.get(name)?,
                },
            ))
        };
        self.idle_mb.iter().filter_map(both).collect()
    }

    /// Ends the services; gives the database back, and all transactions they made.
    pub(crate) async fn stop(self, stage: &Stage) -> Result<(Database, i64)> {
        self.services.stop().await?;
        let pool = self.database.store.pool();
        if stage.cluster().is_some() {
            server::alone(pool).await?;
        }
        let transactions = server::transactions(pool).await? - self.transactions;
        Ok((self.database, transactions))
    }

    /// Ends the services, gives all transactions they made, and checks the invariants.
    pub(crate) async fn finish(self, stage: &Stage) -> Result<i64> {
        let (database, transactions) = self.stop(stage).await?;
        database.verify().await?;
        Ok(transactions)
    }
}

/// Registers them as a service registers its files: larger ones than the API takes too.
pub(crate) async fn register(store: &Store, shapes: &[Shape]) -> Result<()> {
    for shape in shapes {
        let yaml = shape.yaml();
        let limits = TemplateLimits {
            max_bytes: yaml.len(),
            ..TemplateLimits::default()
        };
        let parsed = parse_template_within(&yaml, &shape.name, "production", &limits)?;
        templates::register(store, &parsed.template).await?;
    }
    Ok(())
}
