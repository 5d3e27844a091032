//! Large results: what they cost each step, and that they stay out of messages.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use sqlx::{Executor as _, PgPool};
use tasker_client::Include;

use crate::cli::{arguments, Mode};
use crate::drive::{request, Driver, Until};
use crate::latency;
use crate::measure::Frame;
use crate::record::{named, Record};
use crate::running::Running;
use crate::services::Fleet;
use crate::shape::Shape;
use crate::stage::Stage;
use crate::stats::{rounded, Percentiles};
use crate::workload::Workload;

arguments!(PayloadArgs {
    /// Most bytes of a result; larger sizes are left out
    largest: usize = 5_000_000,
    /// Tasks of each size that run one after another
    rounds: usize = 20,
});

/// Bytes of each result, tasks of the load, and how many of them at once: a hundred
/// megabytes or two, where that makes no end of tasks.
const SIZES: [(usize, usize, usize); 3] =
    [(1_000, 2_000, 100), (100_000, 300, 20), (5_000_000, 12, 4)];
const LENGTH: usize = 4;
/// What a report says besides its results.
const ENVELOPE_BYTES: f64 = 1024.0;
/// Between two looks whether a task has ended.
const POLL: Duration = Duration::from_millis(5);

/// Notes the size of every row that the results queue gets.
const NOTE: &str = "
    CREATE TABLE tasker_bench_rows (bytes integer);
    CREATE FUNCTION tasker_bench_note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.tasker_bench_rows VALUES (octet_length(NEW.message::text));
        RETURN NULL;
    END $$;
    CREATE TRIGGER tasker_bench_note AFTER INSERT ON pgmq.q_step_results
       FOR EACH ROW EXECUTE FUNCTION tasker_bench_note()";
const NOTE_NO_MORE: &str = "
    DROP TRIGGER tasker_bench_note ON pgmq.q_step_results;
    DROP FUNCTION tasker_bench_note;
    DROP TABLE tasker_bench_rows";

/// A record for each size: rate and latency of a load, and `step_ms`, the median of a
/// step while nothing else runs; `largest_row_bytes`, of the results queue with one
/// report a row; `read_ms`, the time in which the API gives back a task with all its
/// results.
pub(crate) async fn run(stage: &mut Stage, args: &PayloadArgs) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for (bytes, tasks, in_flight) in SIZES {
        if bytes <= args.largest {
            let shapes = vec![Shape::linear(LENGTH).answering(bytes)];
            let workload = Workload::new("payload", shapes, tasks, in_flight);
            records.push(of_size(stage, args, &workload, bytes).await?);
        }
    }
    Ok(records)
}

async fn of_size(
    stage: &mut Stage,
    args: &PayloadArgs,
    workload: &Workload,
    bytes: usize,
) -> Result<Record> {
    eprintln!("payload: results of {bytes} bytes");
    let database = stage.database().await?;
    let running = Running::cold(stage, database, &workload.shapes, Fleet::queued(1, 1)).await?;
    let pool = running.database.store.pool().clone();
    let inline_max = running.database.store.engine().results_inline_max_bytes;
    let driver = running.driver(POLL);
    let figures = async {
        one_by_one(&running, &driver, workload, 1).await?;
        let frame = Frame::begin(stage, &pool).await?;
        let first = one_by_one(&running, &driver, workload, args.rounds.max(1)).await?;
        let lone = latency::steps(&pool, first).await?;
        let all = Until::Submitted(workload.tasks);
        let outcome = driver
            .drive(&workload.names(), all, workload.in_flight)
            .await?;
        let record = frame.end(&pool, workload.command).await?;
        let loaded = latency::steps(&pool, outcome.first_task).await?;
        let largest_row = largest_row(&running, &driver, workload).await?;
        let read_ms = read_back(&running, first, bytes).await?;
        anyhow::Ok((record, lone, outcome, loaded, largest_row, read_ms))
    };
    let (record, lone, outcome, loaded, largest_row, read_ms) = figures
        .await
        .with_context(|| running.services.log_tails())?;
    running.finish(stage).await?;
    ensure!(
        largest_row <= inline_max as f64 + ENVELOPE_BYTES,
        "a row of the results queue had {largest_row} bytes, and results of more than \
         {inline_max} must not ride in it"
    );
    let done_ms = |steps: &[latency::StepTimes]| {
        Percentiles::of(steps.iter().map(|step| step.done_ms).collect())
    };
    let steps = workload.steps(workload.tasks);
    let mut values = vec![
        ("bytes", bytes as f64),
        ("largest_row_bytes", largest_row),
        ("read_ms", rounded(read_ms)),
    ];
    values.extend(done_ms(&lone).map(|all| ("step_ms", all.p50)));
    Ok(Record {
        variant: Some(format!("bytes={bytes}")),
        shape: workload.names().join(" "),
        mode: Some(Mode::Queued),
        tasks: workload.tasks,
        steps,
        in_flight: Some(workload.in_flight),
        seconds: rounded(outcome.seconds),
        steps_per_second: Some(rounded(steps as f64 / outcome.seconds)),
        latency_ms: done_ms(&loaded),
        values: named(values),
        ..record
    })
}

/// Runs tasks one after another; gives the id of the first.
async fn one_by_one(
    running: &Running,
    driver: &Driver,
    workload: &Workload,
    tasks: usize,
) -> Result<i64> {
    let request = request(&workload.shapes[0].name);
    let mut first = i64::MAX;
    for _ in 0..tasks {
        let submitted = running.services.client()?.submit(&request).await?;
        first = first.min(submitted.task.task_id);
        driver.wait(submitted.task.task_id).await?;
    }
    Ok(first)
}

/// Bytes of the largest row the results queue gets while a task runs: its steps come one
/// after another, so each row has one report.
async fn largest_row(running: &Running, driver: &Driver, workload: &Workload) -> Result<f64> {
    let pool: &PgPool = running.database.store.pool();
    pool.execute(NOTE).await?;
    one_by_one(running, driver, workload, 1).await?;
    let bytes: Option<i32> = sqlx::query_scalar("SELECT max(bytes) FROM tasker_bench_rows")
        .fetch_one(pool)
        .await?;
    pool.execute(NOTE_NO_MORE).await?;
    Ok(f64::from(
        bytes.context("no report went through the queue")?,
    ))
}

/// Milliseconds in which the API gives a task with all results, each of so many bytes.
async fn read_back(running: &Running, task_id: i64, bytes: usize) -> Result<f64> {
    let include = Include {
        steps: true,
        transitions: false,
    };
    let since = Instant::now();
    let task = running.services.client()?.task(task_id, include).await?;
    let ms = since.elapsed().as_secs_f64() * 1000.0;
    let steps = task.steps.unwrap_or_default();
    let whole = steps
        .iter()
        .filter(|step| step.results["payload"].as_str().map(str::len) == Some(bytes));
    ensure!(
        whole.count() == LENGTH,
        "the API did not give all results of task {task_id} back"
    );
    Ok(ms)
}
