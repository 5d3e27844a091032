//! Memory of services that do nothing, and what active tasks add to it.
//!
//! Resident memory, which the kernel counts: what an allocator keeps for later is in it,
//! and what it kept from before the tasks is not. So tasks come in portions of ten thousand
//! steps, and the services have run some portions, one after another, when counting
//! begins: what one portion takes is there already, whatever it is kept for, and what
//! many at once add is for the number of tasks beyond those of one.

use std::collections::BTreeMap;
use std::slice;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use sqlx::PgPool;

use crate::cli::{arguments, Mode};
use crate::drive::request;
use crate::measure::Frame;
use crate::proc;
use crate::record::Record;
use crate::running::Running;
use crate::services::{Fleet, Services};
use crate::shape::Shape;
use crate::stage::Stage;
use crate::stats::rounded;

arguments!(MemoryArgs {
    /// Portions of 10,000 steps that are active at once
    portions: usize = 20,
});

const STEPS_OF_PORTION: usize = 10_000;
/// Portions that run one after another before counting begins.
const WARM_UP: usize = 10;
/// What free memory an allocator gives back it has given back by then.
const SETTLE: Duration = Duration::from_secs(2);
const IN_DEGREE: usize = 3;

/// A record for each size of task. `orchestrator_idle_mb`, `worker_idle_mb`: ready, before
/// any task. `bytes_per_task_<steps>`: both together at their peak, by task active when
/// the last one was submitted. `waiting_bytes_per_task_<steps>`: orchestration alone, when
/// all are enqueued and nobody runs them.
pub(crate) async fn run(stage: &mut Stage, args: &MemoryArgs) -> Result<Vec<Record>> {
    let shapes = [
        Shape::layered(10, 10, IN_DEGREE),
        Shape::layered(100, 100, IN_DEGREE),
    ];
    let portions = args.portions.max(2);
    let mut records = Vec::new();
    for shape in shapes {
        eprintln!("memory: {portions} portions of {}", shape.name);
        let waiting = waiting(stage, &shape, portions).await?;
        records.push(running(stage, &shape, portions, waiting).await?);
    }
    Ok(records)
}

/// Bytes that each task adds to an orchestrator while it waits for a worker.
async fn waiting(stage: &mut Stage, shape: &Shape, portions: usize) -> Result<f64> {
    let database = stage.database().await?;
    let fleet = Fleet::queued(1, 0);
    let running = Running::cold(stage, database, slice::from_ref(shape), fleet).await?;
    submit(&running, shape, WARM_UP).await?;
    let before_mb = settled_mb(&running.services).await;
    let tasks = submit(&running, shape, portions).await?.len();
    let after_mb = settled_mb(&running.services).await;
    running.finish(stage).await?;
    Ok(bytes_of_each(before_mb, after_mb, tasks as f64))
}

/// The record of tasks that run.
async fn running(
    stage: &mut Stage,
    shape: &Shape,
    portions: usize,
    waiting: f64,
) -> Result<Record> {
    let database = stage.database().await?;
    let fleet = Fleet::queued(1, 1);
    let running = Running::cold(stage, database, slice::from_ref(shape), fleet).await?;
    let pool = running.database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    let driver = running.driver(Duration::from_millis(stage.globals.poll_ms));
    let load = async {
        for _ in 0..WARM_UP {
            driver.wait_all(submit(&running, shape, 1).await?).await?;
        }
        let before_mb = settled_mb(&running.services).await;
        running.services.each(proc::forget_peak);
        let since = Instant::now();
        let ids = submit(&running, shape, portions).await?;
        let (tasks, active) = (ids.len(), active(&pool).await?);
        driver.wait_all(ids).await?;
        anyhow::Ok((before_mb, tasks, active, since.elapsed()))
    };
    let (before_mb, tasks, active, time) =
        load.await.with_context(|| running.services.log_tails())?;
    let peak_mb = running.services.each(proc::peak_rss_mb).values().sum();
    let record = frame.end(&pool, "memory").await?;
    let rss_mb = running.memory();
    running.finish(stage).await?;

    let length = shape.len();
    let beyond_one_portion = active - portion(shape) as f64;
    let mut values: BTreeMap<String, f64> = rss_mb
        .iter()
        .map(|(name, memory)| (format!("{name}_idle_mb"), memory.idle))
        .collect();
    values.extend([
        ("active_tasks".to_owned(), active),
        (
            format!("bytes_per_task_{length}"),
            bytes_of_each(before_mb, peak_mb, beyond_one_portion),
        ),
        (format!("waiting_bytes_per_task_{length}"), waiting),
    ]);
    Ok(Record {
        variant: Some(format!("tasks of {length} steps")),
        shape: shape.name.clone(),
        mode: Some(Mode::Queued),
        tasks,
        steps: tasks * length,
        in_flight: Some(tasks),
        seconds: rounded(time.as_secs_f64()),
        values,
        rss_mb,
        ..record
    })
}

/// Submits portions, each with one request; gives the ids of all their tasks.
async fn submit(running: &Running, shape: &Shape, portions: usize) -> Result<Vec<i64>> {
    let client = running.services.client()?;
    let requests = vec![request(&shape.name); portion(shape)];
    let mut ids = Vec::new();
    for _ in 0..portions {
        let answer = client.submit_batch(&requests).await?;
        ensure!(
            answer.created == requests.len(),
            "{} of {} tasks were created",
            answer.created,
            requests.len()
        );
        ids.extend(answer.items.iter().filter_map(|item| item.task_id));
    }
    Ok(ids)
}

/// Tasks of a portion.
fn portion(shape: &Shape) -> usize {
    STEPS_OF_PORTION / shape.len()
}

/// Tasks of which something can run.
async fn active(pool: &PgPool) -> Result<f64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM tasker.task_runs WHERE active > 0");
    let count: i64 = count.fetch_one(pool).await?;
    Ok(count as f64)
}

/// Resident memory of all services, at rest.
async fn settled_mb(services: &Services) -> f64 {
    tokio::time::sleep(SETTLE).await;
    services.each(proc::rss_mb).values().sum()
}

fn bytes_of_each(before_mb: f64, after_mb: f64, tasks: f64) -> f64 {
    ((after_mb - before_mb) * 1e6 / tasks).round()
}
