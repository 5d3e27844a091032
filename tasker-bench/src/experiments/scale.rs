//! The same load with several orchestrators, and with several workers: more processes
//! must not make it slower.
//!
//! Each number of processes is measured twice, there and back, so that a machine that
//! becomes faster or slower meanwhile does not decide.

use anyhow::Result;

use super::one_of;
use crate::cli::arguments;
use crate::record::Record;
use crate::run;
use crate::services::Fleet;
use crate::shape::Shape;
use crate::stage::Stage;
use crate::stats::rounded;
use crate::workload::Workload;

arguments!(ScaleArgs {
    /// Tasks of each measurement
    tasks: usize = 1500,
    /// Steps of a task
    length: usize = 20,
    /// Tasks under way at once
    in_flight: usize = 500,
});

/// Orchestrators and workers; the first are what the others are compared with.
const FLEETS: [(usize, usize); 5] = [(1, 1), (2, 1), (4, 1), (1, 2), (1, 4)];

/// A record for each number of processes. `ratio`: its rate to that with one of each.
pub(crate) async fn run(stage: &mut Stage, args: &ScaleArgs) -> Result<Vec<Record>> {
    let shapes = vec![Shape::linear(args.length.max(1))];
    let workload = Workload::new("scale", shapes, args.tasks, args.in_flight);
    let fleets = FLEETS.map(|(orchestrators, workers)| Fleet::queued(orchestrators, workers));
    let mut measured = fleets.map(|_| Vec::new());
    for index in (0..fleets.len()).chain((0..fleets.len()).rev()) {
        let database = stage.database().await?;
        let (record, database) = run::load_on(stage, database, &workload, fleets[index]).await?;
        database.verify().await?;
        measured[index].push(record);
    }
    let mut records = Vec::new();
    let mut rate_of_one = None;
    for (fleet, measured) in fleets.into_iter().zip(measured) {
        let mut record = one_of(measured);
        let rate = record.steps_per_second.unwrap_or_default();
        let ratio = rounded(rate / *rate_of_one.get_or_insert(rate));
        record.variant = Some(fleet.to_string());
        record.values.insert("ratio".to_owned(), ratio);
        records.push(record);
    }
    Ok(records)
}
