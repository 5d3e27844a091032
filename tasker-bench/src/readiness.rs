//! Which steps became ready by one completion: how long the engine takes to find out,
//! and how long the Rails engine takes, on the same rows.
//!
//! The engine follows the edges from the step that completed and lowers the gates of
//! its children; it is timed with just that part of its own statement. The Rails engine
//! asks its function for all steps of the task. The same rules are timed as one set-based
//! statement too (`sql/rails_readiness.sql`): the ratio is against the faster of both.
//! Both sides answer with the ids of steps alone, and before anything is timed their
//! answers must be the same.

mod cases;
mod sides;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{bail, Result};
use tasker_shared::store::verify::verify;

use crate::cli::ReadinessArgs;
use crate::measure::setting;
use crate::record::{BeforeAfter, Record};
use crate::server;
use crate::stage::Stage;
use crate::stats::{nearest_rank, rounded};

use cases::{prepare, Case};
use sides::{Rails, Tasker};

/// Completions whose answers are compared, of each task.
const COMPARED: usize = 20;
/// How often each way is measured.
const BLOCKS: usize = 3;
/// Calls before the timed ones: PostgreSQL plans a statement anew five times before it
/// settles for a plan.
const WARM_UP: usize = 10;
/// Timed calls of a task: fewer for large tasks, which take the Rails side long.
const ROUNDS: std::ops::RangeInclusive<usize> = 30..=300;
const STEPS_IN_ALL_ROUNDS: usize = 100_000;

/// One record for each shape and size.
pub(crate) async fn run(stage: &mut Stage, args: &ReadinessArgs) -> Result<Vec<Record>> {
    eprintln!("readiness: tasks of up to {} steps", args.largest);
    let database = stage.database().await?;
    let pool = database.store.pool().clone();
    let probe_before = server::commit_probe(&pool).await?;
    let cases = prepare(&database.store, args.largest).await?;
    let mut records = Vec::new();
    for case in &cases {
        let mut rails = Rails::open(&database.store).await?;
        let mut tasker = Tasker::open(&database.store).await?;
        compare(case, &mut tasker, &mut rails).await?;
        let since = Instant::now();
        let values = measure(case, &mut tasker, &mut rails).await?;
        eprintln!("  {:<20} {values:?}", case.variant);
        records.push(Record {
            command: "readiness".to_owned(),
            variant: Some(case.variant.clone()),
            shape: case.shape.clone(),
            tasks: 1,
            steps: case.steps,
            seconds: rounded(since.elapsed().as_secs_f64()),
            values,
            setting: setting(stage, &pool).await?,
            ..Record::default()
        });
    }
    let commit_probe_ms = BeforeAfter {
        before: probe_before,
        after: server::commit_probe(&pool).await?,
    };
    for record in &mut records {
        record.commit_probe_ms = commit_probe_ms;
    }
    let violations = verify(&database.store).await?;
    pool.close().await;
    if let Some(first) = violations.first() {
        bail!(
            "{} violations of the engine's invariants, such as {first:?}",
            violations.len()
        );
    }
    Ok(records)
}

/// Fails unless both engines name the same steps for each of several completions.
async fn compare(case: &Case, tasker: &mut Tasker, rails: &mut Rails) -> Result<()> {
    let set = BTreeSet::from_iter::<Vec<i64>>;
    let before = set(rails.by_function(case.task_id).await?);
    for &completed in case.ready.iter().take(COMPARED) {
        tasker.begin().await?;
        let ours = set(tasker.resolve(case.task_id, completed).await?);
        tasker.undo().await?;
        rails.complete(completed).await?;
        let by_function = set(rails.by_function(case.task_id).await?);
        let by_sql = set(rails.by_sql(case.task_id).await?);
        rails.undo().await?;
        let theirs = &by_function - &before;
        if ours != theirs || by_function != by_sql {
            bail!(
                "{}: after step {completed}, {ours:?} became ready here, {theirs:?} for the Rails \
                 engine, of {by_function:?} and {by_sql:?} that are",
                case.variant
            );
        }
    }
    Ok(())
}

/// Median milliseconds of each way in the server. Each way's calls are made in a row, as
/// the engine makes them that has that way: taken in turns, every call would find the
/// caches full of what the others have read. The whole is done several times, so that a
/// busy moment of the machine is everybody's.
async fn measure(
    case: &Case,
    tasker: &mut Tasker,
    rails: &mut Rails,
) -> Result<BTreeMap<String, f64>> {
    let rounds = (STEPS_IN_ALL_ROUNDS / case.steps).clamp(*ROUNDS.start(), *ROUNDS.end());
    let (mut ours, mut function, mut sql) = (Vec::new(), Vec::new(), Vec::new());
    rails.complete(case.ready[0]).await?;
    for _ in 0..BLOCKS {
        for round in 0..WARM_UP + rounds / BLOCKS {
            let completed = case.ready[round % case.ready.len()];
            tasker.begin().await?;
            let ms = tasker.resolve_ms(case.task_id, completed).await?;
            tasker.undo().await?;
            timed_at(round, ms, &mut ours);
        }
        for round in 0..WARM_UP + rounds / BLOCKS {
            let ms = rails.by_function_ms(case.task_id).await?;
            timed_at(round, ms, &mut function);
        }
        for round in 0..WARM_UP + rounds / BLOCKS {
            let ms = rails.by_sql_ms(case.task_id).await?;
            timed_at(round, ms, &mut sql);
        }
    }
    rails.undo().await?;
    let [ours, function, sql] = [ours, function, sql].map(|times| median(&times));
    Ok(BTreeMap::from([
        ("n".to_owned(), case.steps as f64),
        ("tasker_ms".to_owned(), rounded(ours)),
        ("rails_function_ms".to_owned(), rounded(function)),
        ("rails_sql_ms".to_owned(), rounded(sql)),
        ("ratio".to_owned(), rounded(function.min(sql) / ours)),
    ]))
}

fn timed_at(round: usize, ms: f64, times: &mut Vec<f64>) {
    if round >= WARM_UP {
        times.push(ms);
    }
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    nearest_rank(&times, 50.0)
}
