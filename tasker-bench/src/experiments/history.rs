//! The same load on an almost empty database and on one with many finished steps.
//!
//! Both are measured twice, in turn, so that a machine that becomes faster or slower
//! meanwhile does not decide.

use anyhow::Result;

use super::one_of;
use crate::cli::arguments;
use crate::record::{named, Record};
use crate::run;
use crate::running::Running;
use crate::seed;
use crate::services::Fleet;
use crate::shape::Shape;
use crate::stage::{Database, Stage};
use crate::stats::rounded;
use crate::workload::Workload;

arguments!(HistoryArgs {
    /// Finished steps that are stored, about
    stored: u64 = 1_000_000,
    /// Tasks of each of the four measurements
    tasks: usize = 8000,
    /// Tasks under way at once
    in_flight: usize = 500,
});

const ROUNDS: usize = 2;

/// A record for the empty database and one for the full one. `ratio`: the rate of the
/// second to that of the first.
pub(crate) async fn run(stage: &mut Stage, args: &HistoryArgs) -> Result<Vec<Record>> {
    let shapes = vec![Shape::diamond(), Shape::merge(), Shape::tree()];
    let workload = Workload::new("history", shapes, args.tasks, args.in_flight);
    let (mut sides, mut records) = (Vec::new(), Vec::new());
    for stored in [0, args.stored] {
        sides.push(prepared(stage, &workload, stored).await?);
        records.push(Vec::new());
    }
    for _ in 0..ROUNDS {
        for (side, records) in sides.iter_mut().zip(&mut records) {
            let database = side.database.clone();
            let (record, _) = run::load_on(stage, database, &workload, Fleet::queued(1, 1)).await?;
            records.push(record);
        }
    }
    let mut merged = Vec::new();
    let mut rate_of_empty = None;
    for (side, records) in sides.into_iter().zip(records) {
        side.database.verify().await?;
        let mut record = one_of(records);
        let rate = record.steps_per_second.unwrap_or_default();
        let ratio = rate / *rate_of_empty.get_or_insert(rate);
        record.variant = Some(format!("stored={}", side.stored));
        record.values = named([
            ("stored_steps", side.stored as f64),
            ("ratio", rounded(ratio)),
        ]);
        merged.push(record);
    }
    Ok(merged)
}

struct Side {
    database: Database,
    /// Finished steps that were there before the measurements.
    stored: u64,
}

/// A database on which each shape has run, with so much history besides, vacuumed and
/// analysed as autovacuum would have done in the course of it.
async fn prepared(stage: &mut Stage, workload: &Workload, stored: u64) -> Result<Side> {
    let database = stage.database().await?;
    let running = Running::warm(stage, database, workload, Fleet::queued(1, 1)).await?;
    let (database, _) = running.stop(stage).await?;
    if stored > 0 {
        eprintln!("history: {stored} steps are copied");
        seed::copy(&database, &workload.names(), stored).await?;
    }
    seed::settle(stage, &database).await?;
    let stored = seed::steps(&database).await?;
    Ok(Side { database, stored })
}
