//! One run of a load: database, services, warm-up, load, figures, verify.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{bail, Context as _, Result};

use crate::cli::Mode;
use crate::drive::Until;
use crate::latency::{self, StepTimes};
use crate::measure::{Frame, Moment};
use crate::record::Record;
use crate::running::Running;
use crate::services::Fleet;
use crate::stage::{Database, Stage};
use crate::stats::{quantiles, rounded, Percentiles};
use crate::workload::Workload;
use crate::{profile, server};

/// Throughput of a workload on a database of its own.
pub(crate) async fn load(stage: &mut Stage, workload: &Workload, mode: Mode) -> Result<Record> {
    let fleet = Fleet::asked(&stage.globals, mode)?;
    let database = stage.database().await?;
    let (record, database) = load_on(stage, database, workload, fleet).await?;
    database.verify().await?;
    Ok(record)
}

/// Throughput of a workload on this database, which is given back unverified.
pub(crate) async fn load_on(
    stage: &Stage,
    database: Database,
    workload: &Workload,
    fleet: Fleet,
) -> Result<(Record, Database)> {
    let running = Running::warm(stage, database, workload, fleet).await?;
    let pool = running.database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    profile::begin(stage, &running.database)?;
    let before = Moment::now(stage, &pool, Some(&running.services)).await?;

    let load = running.driver(Duration::from_millis(stage.globals.poll_ms));
    let all = Until::Submitted(workload.tasks);
    let driven = load
        .drive(&workload.names(), all, workload.in_flight)
        .await
        .with_context(|| running.services.log_tails())?;

    let after = Moment::now(stage, &pool, Some(&running.services)).await?;
    profile::print(stage, &running.database)?;
    let framed = frame.end(&pool, workload.command).await?;
    let steps = workload.steps(workload.tasks);
    let times = measured(&pool, driven.first_task, steps).await?;
    let latencies: Vec<f64> = times.iter().map(|step| step.done_ms).collect();
    let rss_mb = running.memory();
    let warm_steps = workload.steps(workload.warm_up_tasks(stage.globals.warm_up));
    // Both probes and all polls are this program's own.
    let own = running.warm_up_polls + driven.polls + 2 * server::PROBE_COMMITS;
    let (database, transactions) = running.stop(stage).await?;
    let mut cost = after.cost_since(&before, steps);
    cost.transactions_per_step = Some(rounded(
        (transactions - own as i64) as f64 / (steps + warm_steps) as f64,
    ));
    let record = Record {
        shape: workload.names().join(" "),
        mode: Some(fleet.mode),
        tasks: workload.tasks,
        steps,
        in_flight: Some(workload.in_flight),
        seconds: rounded(driven.seconds),
        steps_per_second: Some((steps as f64 / driven.seconds).round()),
        latency_ms: Percentiles::of(latencies.clone()),
        start_ms: Percentiles::of(times.iter().map(|step| step.start_ms).collect()),
        quantiles_ms: BTreeMap::from([("latency".to_owned(), quantiles(latencies))]),
        cost,
        rss_mb,
        ..framed
    };
    Ok((record, database))
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
