//! Latency of a step that nothing else competes with: a chain of four, one task at a
//! time.
//!
//! The handlers note the time themselves, all on the clock of this machine, so that
//! everything between one handler and the next counts: report, commits, queues, wakes,
//! claim, inputs and dispatch.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{bail, Context as _, Result};
use chrono::Utc;
use sqlx::{PgPool, Row as _};

use crate::cli::{LoneArgs, Mode};
use crate::drive::{request, Driven};
use crate::measure::{Frame, Moment};
use crate::profile;
use crate::record::{Lone, Record};
use crate::running::Running;
use crate::shape::Shape;
use crate::stage::Stage;
use crate::stats::{quantiles, rounded, Percentiles};
use crate::workload::Workload;

const LENGTH: usize = 4;
/// How often the end of a task is looked for.
const POLL: Duration = Duration::from_millis(5);

pub(crate) async fn run(stage: &mut Stage, args: &LoneArgs, mode: Mode) -> Result<Record> {
    let workload = Workload::new("lone", vec![Shape::linear(LENGTH).timed()], args.rounds, 1);
    let running = Running::start(stage, &workload, mode).await?;
    let pool = running.database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    profile::begin(stage, &running.database)?;
    let before = Moment::now(stage, &pool, Some(&running.services)).await?;

    let rounds = rounds(&running, &workload).await;
    let (posted_us, driven) = rounds.with_context(|| running.services.log_tails())?;

    let after = Moment::now(stage, &pool, Some(&running.services)).await?;
    profile::print(stage, &running.database)?;
    let framed = frame.end(&pool, workload.command).await?;
    let steps = workload.steps(workload.tasks);
    let times = Times::read(&pool, driven.first_task, &posted_us).await?;
    if times.next_start.len() + times.post_to_start.len() != steps {
        bail!("not all of {steps} steps were completed");
    }
    let rss_mb = running.memory();
    running.finish(stage).await?;
    Ok(Record {
        shape: workload.names().join(" "),
        mode: Some(mode),
        tasks: workload.tasks,
        steps,
        in_flight: Some(1),
        seconds: rounded(driven.seconds),
        quantiles_ms: BTreeMap::from([
            ("next_start".to_owned(), quantiles(times.next_start.clone())),
            (
                "post_to_start".to_owned(),
                quantiles(times.post_to_start.clone()),
            ),
        ]),
        lone_ms: Some(Lone {
            next_start: Percentiles::of(times.next_start),
            post_to_start: Percentiles::of(times.post_to_start),
        }),
        cost: after.cost_since(&before, steps),
        rss_mb,
        ..framed
    })
}

/// Submits one task after the other; gives when each was submitted.
async fn rounds(running: &Running, workload: &Workload) -> Result<(HashMap<i64, i64>, Driven)> {
    let driver = running.driver(POLL);
    let client = running.services.client()?;
    let request = request(&workload.shapes[0].name);
    let since = Instant::now();
    let mut posted_us = HashMap::new();
    let (mut first_task, mut polls) = (i64::MAX, 0);
    for _ in 0..workload.tasks {
        let at_us = Utc::now().timestamp_micros();
        let task = client.submit(&request).await?.task.task_id;
        posted_us.insert(task, at_us);
        first_task = first_task.min(task);
        polls += driver.wait(task).await?;
    }
    Ok((
        posted_us,
        Driven {
            seconds: since.elapsed().as_secs_f64(),
            tasks: workload.tasks,
            first_task,
            polls,
        },
    ))
}

/// Milliseconds from one moment to the next.
struct Times {
    /// From a handler to the handler of the next step.
    next_start: Vec<f64>,
    /// From before the submission to the handler of the first step.
    post_to_start: Vec<f64>,
}

impl Times {
    async fn read(pool: &PgPool, first_task: i64, posted_us: &HashMap<i64, i64>) -> Result<Self> {
        let rows = sqlx::query(
            "WITH step AS MATERIALIZED (
                 SELECT workflow_step_id AS id, task_id, (results ->> 'at_us')::bigint AS at_us
                   FROM tasker_workflow_steps
                  WHERE task_id >= $1 AND processed
             )
             SELECT s.task_id, s.at_us, p.at_us AS parent_us
               FROM step s
               LEFT JOIN tasker_workflow_step_edges e ON e.to_step_id = s.id
               LEFT JOIN step p ON p.id = e.from_step_id",
        )
        .bind(first_task)
        .fetch_all(pool)
        .await?;
        let mut times = Self {
            next_start: Vec::new(),
            post_to_start: Vec::new(),
        };
        for row in rows {
            let (task, at_us): (i64, i64) = (row.try_get("task_id")?, row.try_get("at_us")?);
            let ms = |since_us: i64| (at_us - since_us) as f64 / 1000.0;
            match row.try_get::<Option<i64>, _>("parent_us")? {
                Some(parent_us) => times.next_start.push(ms(parent_us)),
                None => times.post_to_start.push(ms(posted_us[&task])),
            }
        }
        Ok(times)
    }
}
