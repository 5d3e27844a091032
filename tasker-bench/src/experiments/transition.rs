//! One durable state transition: what `advance` takes for one step alone, and for each of
//! a batch.
//!
//! In this process, on one connection, so that nothing else is in the time: neither
//! queues of reports nor wakes. Claims are made beside it and not timed. Every step of
//! the tasks is run, so ends of tasks are in it as often as in life.

use std::time::Instant;

use anyhow::{ensure, Result};
use serde_json::json;
use tasker_shared::domain::{Namespace, Outcome};
use tasker_shared::store::submit::{prepare, SubmitConnection};
use tasker_shared::store::{AdvanceConnection, ClaimConnection, Claimed, Report, Store};

use crate::cli::arguments;
use crate::drive::request;
use crate::measure::Frame;
use crate::record::{named, Record};
use crate::running::register;
use crate::shape::{Shape, NAMESPACE};
use crate::stage::Stage;
use crate::stats::{quantiles, rounded, Percentiles};

arguments!(TransitionArgs {
    /// Tasks whose steps are advanced one by one
    tasks: usize = 100,
    /// Tasks whose steps are advanced in batches
    batched_tasks: usize = 2048,
    /// Steps of a task
    length: usize = 20,
    /// Steps of a batch
    batch: usize = 256,
});

/// One record. `single_ms`: median of one step alone, commit included; `commit_ms`: of
/// the commit probes around it; `amortised_us`: each step of a batch.
pub(crate) async fn run(stage: &mut Stage, args: &TransitionArgs) -> Result<Vec<Record>> {
    eprintln!("transition: steps advanced alone and by {}", args.batch);
    let shape = Shape::linear(args.length.max(1));
    let database = stage.database().await?;
    register(&database.store, std::slice::from_ref(&shape)).await?;
    let pool = database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    let mut engine = Engine::open(&database.store).await?;

    engine.submit(&shape, args.tasks).await?;
    let alone_ms = engine.run_all(args.batch, 1).await?;
    ensure!(
        alone_ms.len() == args.tasks * shape.len(),
        "not all steps were advanced"
    );
    let record = frame.end(&pool, "transition").await?;

    engine.submit(&shape, args.batched_tasks).await?;
    let batches_ms = engine.run_all(args.batch, args.batch).await?;
    drop(engine);
    database.verify().await?;

    let batched = args.batched_tasks * shape.len();
    let together_ms: f64 = batches_ms.iter().sum();
    let seconds = (alone_ms.iter().sum::<f64>() + together_ms) / 1000.0;
    let mut values = vec![
        ("commit_ms", rounded(record.commit_probe_ms.mean())),
        (
            "amortised_us",
            rounded(together_ms * 1000.0 / batched as f64),
        ),
    ];
    values.extend(Percentiles::of(alone_ms.clone()).map(|all| ("single_ms", all.p50)));
    Ok(vec![Record {
        shape: shape.name,
        tasks: args.tasks + args.batched_tasks,
        steps: alone_ms.len() + batched,
        seconds: rounded(seconds),
        quantiles_ms: [("single".to_owned(), quantiles(alone_ms))].into(),
        values: named(values),
        ..record
    }])
}

/// The store's own routines, one connection each.
struct Engine {
    store: Store,
    submit: SubmitConnection,
    claim: ClaimConnection,
    advance: AdvanceConnection,
}

impl Engine {
    async fn open(store: &Store) -> Result<Self> {
        Ok(Self {
            store: store.clone(),
            submit: SubmitConnection::open(store).await?,
            claim: ClaimConnection::open(store, &Namespace::parse(NAMESPACE)?).await?,
            advance: AdvanceConnection::open(store).await?,
        })
    }

    async fn submit(&mut self, shape: &Shape, tasks: usize) -> Result<()> {
        let mut prepared = Vec::new();
        for _ in 0..tasks {
            prepared.push(prepare(&self.store, request(&shape.name), None).await?);
        }
        self.submit.submit(&prepared).await?;
        Ok(())
    }

    /// Claims until nothing is left, `claimed` steps at once, and completes what it
    /// claimed, `advanced` at once; gives the milliseconds of each completion.
    async fn run_all(&mut self, claimed: usize, advanced: usize) -> Result<Vec<f64>> {
        let mut times_ms = Vec::new();
        loop {
            let steps = self.claim.claim(claimed).await?.steps;
            if steps.is_empty() {
                return Ok(times_ms);
            }
            for steps in steps.chunks(advanced) {
                let reports: Vec<Report> = steps.iter().map(completed).collect();
                let since = Instant::now();
                let done = self.advance.advance(reports).await?;
                times_ms.push(since.elapsed().as_secs_f64() * 1000.0);
                let applied: usize = done.values().map(|done| done.applied).sum();
                ensure!(applied == steps.len(), "a report was not applied");
            }
        }
    }
}

fn completed(step: &Claimed) -> Report {
    Report {
        attempt: step.attempt,
        outcome: Outcome::Success { results: json!({}) },
        stored: false,
    }
}
