//! One run against the engine: database, services, warm-up, load, figures, verify.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{bail, Context as _, Result};
use chrono::{DateTime, Utc};
use tasker_shared::domain::{parse_template_within, TemplateLimits};
use tasker_shared::store::verify::verify;
use tasker_shared::store::{templates, Store};

use crate::cli::{LoneArgs, Mode};
use crate::drive::{request, Driven, Driver};
use crate::latency::{self, StepTimes};
use crate::measure::{setting, Moment};
use crate::record::{BeforeAfter, Lone, Memory, Record};
use crate::services::Services;
use crate::shape::Shape;
use crate::stage::{Database, Stage};
use crate::stats::{rounded, Percentiles};
use crate::workload::Workload;
use crate::{proc, profile, server};

/// Larger templates than the API takes are registered as the service registers files.
const API_TEMPLATE_MAX: usize = 256 * 1024;
/// How often the end of a lone task is looked for.
const LONE_POLL: Duration = Duration::from_millis(5);

/// The engine on a database of its own, warm and ready to be measured.
struct Running {
    database: Database,
    services: Services,
    transactions: i64,
    warm_up: Driven,
    idle_mb: BTreeMap<String, f64>,
}

impl Running {
    async fn start(stage: &mut Stage, workload: &Workload, mode: Mode) -> Result<Self> {
        eprintln!(
            "{}: {} tasks of {}, {mode:?}",
            workload.command,
            workload.tasks,
            workload.names().join(", ")
        );
        let database = stage.database().await?;
        register_large(&database.store, &workload.shapes).await?;
        let transactions = server::transactions(database.store.pool()).await?;
        let services = Services::start(stage, &database, mode).await?;
        for shape in small(&workload.shapes) {
            services.client.register_template(&shape.yaml()).await?;
        }
        let idle_mb = services.each(proc::rss_mb);
        let driver = Driver {
            client: &services.client,
            pool: database.store.pool(),
            poll: Duration::from_millis(stage.globals.poll_ms),
        };
        let tasks = workload.warm_up_tasks(stage.globals.warm_up);
        let warm_up = driver
            .drive(&workload.names(), tasks, workload.in_flight)
            .await;
        let warm_up = warm_up.with_context(|| services.log_tails())?;
        Ok(Self {
            database,
            services,
            transactions,
            warm_up,
            idle_mb,
        })
    }

    fn driver(&self, poll: Duration) -> Driver<'_> {
        Driver {
            client: &self.services.client,
            pool: self.database.store.pool(),
            poll,
        }
    }

    /// Idle and peak memory of each service.
    fn memory(&self) -> BTreeMap<String, Memory> {
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

    /// Ends the services, gives all transactions they made, and checks the invariants.
    async fn finish(self, stage: &Stage) -> Result<i64> {
        self.services.stop().await?;
        let pool = self.database.store.pool();
        if stage.cluster().is_some() {
            server::alone(pool).await?;
        }
        let transactions = server::transactions(pool).await? - self.transactions;
        let violations = verify(&self.database.store).await?;
        pool.close().await;
        if let Some(first) = violations.first() {
            bail!(
                "{} violations of the engine's invariants, such as {first:?}",
                violations.len()
            );
        }
        Ok(transactions)
    }
}

fn small(shapes: &[Shape]) -> impl Iterator<Item = &Shape> {
    shapes
        .iter()
        .filter(|shape| shape.yaml().len() <= API_TEMPLATE_MAX)
}

async fn register_large(store: &Store, shapes: &[Shape]) -> Result<()> {
    for shape in shapes {
        let yaml = shape.yaml();
        if yaml.len() > API_TEMPLATE_MAX {
            let limits = TemplateLimits {
                max_bytes: yaml.len(),
                ..TemplateLimits::default()
            };
            let parsed = parse_template_within(&yaml, &shape.name, "production", &limits)?;
            templates::register(store, &parsed.template).await?;
        }
    }
    Ok(())
}

/// Throughput of a workload.
pub(crate) async fn load(stage: &mut Stage, workload: &Workload, mode: Mode) -> Result<Record> {
    let running = Running::start(stage, workload, mode).await?;
    let pool = running.database.store.pool().clone();
    let setting = setting(stage, &pool).await?;
    let probe_before = server::commit_probe(&pool).await?;
    profile::begin(stage, &running.database)?;
    let before = Moment::now(stage, &pool, Some(&running.services)).await?;

    let load = running.driver(Duration::from_millis(stage.globals.poll_ms));
    let driven = load
        .drive(&workload.names(), workload.tasks, workload.in_flight)
        .await;
    let driven = driven.with_context(|| running.services.log_tails())?;

    let after = Moment::now(stage, &pool, Some(&running.services)).await?;
    profile::print(stage, &running.database)?;
    let probe_after = server::commit_probe(&pool).await?;
    let steps = workload.steps(workload.tasks);
    let times = measured(&pool, driven.first_task, steps).await?;
    let rss_mb = running.memory();
    let warm_steps = workload.steps(workload.warm_up_tasks(stage.globals.warm_up));
    // Both probes and all polls are this program's own.
    let own = running.warm_up.polls + driven.polls + 2 * server::PROBE_COMMITS;
    let transactions = running.finish(stage).await? - own as i64;
    let mut cost = after.cost_since(&before, steps);
    cost.transactions_per_step = Some(rounded(transactions as f64 / (steps + warm_steps) as f64));
    Ok(Record {
        command: workload.command,
        shape: workload.names().join(" "),
        mode: Some(mode),
        tasks: workload.tasks,
        steps,
        in_flight: Some(workload.in_flight),
        seconds: rounded(driven.seconds),
        steps_per_second: Some((steps as f64 / driven.seconds).round()),
        latency_ms: Percentiles::of(times.iter().map(|step| step.done_ms).collect()),
        start_ms: Percentiles::of(times.iter().map(|step| step.start_ms).collect()),
        cost,
        rss_mb,
        commit_probe_ms: BeforeAfter {
            before: probe_before,
            after: probe_after,
        },
        setting,
        ..Record::default()
    })
}

/// Latency of a chain of four, one task at a time.
pub(crate) async fn lone(stage: &mut Stage, args: &LoneArgs, mode: Mode) -> Result<Record> {
    let workload = Workload::new("lone", vec![Shape::linear(4)], args.rounds, 1);
    let running = Running::start(stage, &workload, mode).await?;
    let pool = running.database.store.pool().clone();
    let setting = setting(stage, &pool).await?;
    let probe_before = server::commit_probe(&pool).await?;
    profile::begin(stage, &running.database)?;
    let before = Moment::now(stage, &pool, Some(&running.services)).await?;

    let rounds = lone_rounds(&running, workload.tasks).await;
    let (posted, driven) = rounds.with_context(|| running.services.log_tails())?;

    let after = Moment::now(stage, &pool, Some(&running.services)).await?;
    profile::print(stage, &running.database)?;
    let probe_after = server::commit_probe(&pool).await?;
    let steps = workload.steps(workload.tasks);
    let times = measured(&pool, driven.first_task, steps).await?;
    let rss_mb = running.memory();
    running.finish(stage).await?;
    let chained = || times.iter().filter(|step| step.chained);
    let first_start = |step: &StepTimes| {
        let waited = step.started_at - posted.get(&step.task_id)?;
        Some(waited.num_microseconds()? as f64 / 1000.0)
    };
    Ok(Record {
        command: workload.command,
        shape: workload.names().join(" "),
        mode: Some(mode),
        tasks: workload.tasks,
        steps,
        in_flight: Some(1),
        seconds: rounded(driven.seconds),
        lone_ms: Some(Lone {
            next_start: Percentiles::of(chained().map(|step| step.start_ms).collect()),
            cycle: Percentiles::of(chained().map(|step| step.done_ms).collect()),
            post_to_start: Percentiles::of(
                times
                    .iter()
                    .filter(|step| !step.chained)
                    .filter_map(first_start)
                    .collect(),
            ),
        }),
        cost: after.cost_since(&before, steps),
        rss_mb,
        commit_probe_ms: BeforeAfter {
            before: probe_before,
            after: probe_after,
        },
        setting,
        ..Record::default()
    })
}

/// Submits one task after the other; gives when each was submitted.
async fn lone_rounds(
    running: &Running,
    rounds: usize,
) -> Result<(HashMap<i64, DateTime<Utc>>, Driven)> {
    let driver = running.driver(LONE_POLL);
    let request = request(&Shape::linear(4).name);
    let since = std::time::Instant::now();
    let mut posted = HashMap::new();
    let (mut first_task, mut polls) = (i64::MAX, 0);
    for _ in 0..rounds {
        let at = Utc::now();
        let task = running.services.client.submit(&request).await?.task.task_id;
        posted.insert(task, at);
        first_task = first_task.min(task);
        polls += driver.wait(task).await?;
    }
    Ok((
        posted,
        Driven {
            seconds: since.elapsed().as_secs_f64(),
            first_task,
            polls,
        },
    ))
}

/// Times of all steps of the measured tasks: none may be missing.
async fn measured(pool: &sqlx::PgPool, first_task: i64, steps: usize) -> Result<Vec<StepTimes>> {
    // Nobody else has looked at these new tables yet.
    sqlx::query("ANALYZE").execute(pool).await?;
    let times = latency::steps(pool, first_task).await?;
    if times.len() != steps {
        bail!("{} steps were completed, not {steps}", times.len());
    }
    Ok(times)
}
