//! One request that brings many tasks: how long it takes until it is answered, which is
//! when all of them are durable.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use tasker_shared::wire::TaskRequest;

use crate::cli::{arguments, Mode};
use crate::drive::request;
use crate::measure::Frame;
use crate::record::{named, Record};
use crate::running::Running;
use crate::services::Fleet;
use crate::shape::Shape;
use crate::stage::Stage;
use crate::stats::{rounded, Percentiles};

arguments!(BatchArgs {
    /// Tasks of a request
    tasks: usize = 1000,
    /// Steps of a task
    length: usize = 10,
    /// Requests, one after another
    rounds: usize = 7,
});

/// A record without a worker, intake alone, and one with a worker that runs the tasks.
/// `batch_ms`: the median of the requests.
pub(crate) async fn run(stage: &mut Stage, args: &BatchArgs) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for workers in [0, 1] {
        records.push(with_workers(stage, args, workers).await?);
    }
    Ok(records)
}

async fn with_workers(stage: &mut Stage, args: &BatchArgs, workers: usize) -> Result<Record> {
    eprintln!(
        "batch: {} requests of {} tasks, workers={workers}",
        args.rounds, args.tasks
    );
    let shape = Shape::linear(args.length.max(1));
    let requests: Vec<TaskRequest> = vec![request(&shape.name); args.tasks.max(1)];
    let shapes = [shape];
    let database = stage.database().await?;
    let running = Running::cold(stage, database, &shapes, Fleet::queued(1, workers)).await?;
    let pool = running.database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    let driver = running.driver(Duration::from_millis(stage.globals.poll_ms));
    let client = running.services.client()?;
    let mut times_ms = Vec::new();
    // The first request, in which connections are made, does not count.
    for round in 0..=args.rounds.max(1) {
        let since = Instant::now();
        let answer = client.submit_batch(&requests).await?;
        let ms = since.elapsed().as_secs_f64() * 1000.0;
        if round > 0 {
            times_ms.push(ms);
        }
        ensure!(
            answer.created == requests.len(),
            "{} of {} tasks were created",
            answer.created,
            requests.len()
        );
        if workers > 0 {
            let ids = answer.items.into_iter().filter_map(|item| item.task_id);
            driver.wait_all(ids.collect()).await?;
        }
    }
    let record = frame.end(&pool, "batch").await?;
    running.finish(stage).await?;
    let tasks = times_ms.len() * requests.len();
    let seconds = times_ms.iter().sum::<f64>() / 1000.0;
    let times = Percentiles::of(times_ms).context("no request was made")?;
    let [shape] = shapes;
    Ok(Record {
        variant: Some(format!("workers={workers}")),
        mode: Some(Mode::Queued),
        tasks,
        steps: tasks * shape.len(),
        shape: shape.name,
        seconds: rounded(seconds),
        values: named([("batch_ms", times.p50), ("batch_max_ms", times.max)]),
        ..record
    })
}
