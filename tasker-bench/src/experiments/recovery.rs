//! All services killed under full load and started again at once: how soon the rate is
//! what it was.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{ensure, Context as _, Result};

use crate::cli::{arguments, Mode};
use crate::drive::Until;
use crate::measure::Frame;
use crate::record::{named, Record};
use crate::running::Running;
use crate::series::Series;
use crate::services::Fleet;
use crate::shape::Shape;
use crate::stage::Stage;
use crate::stats::rounded;
use crate::workload::Workload;

arguments!(RecoveryArgs {
    /// How long the rate before is measured
    seconds: u64 = 10,
    /// Steps of a task
    length: usize = 20,
    /// Tasks under way at once: enough for full load while those wait whose steps the
    /// killed worker had
    in_flight: usize = 1500,
});

/// Until the load is even.
const SETTLE_SECONDS: u64 = 3;
/// How long the load goes on once the rate is there again.
const AFTER_SECONDS: u64 = 5;
const RECOVERED_WITHIN_SECONDS: f64 = 60.0;
/// Share of the former rate that counts as recovered.
const RECOVERED: f64 = 0.95;

/// One record. `recovered_s`: from the moment both processes were started again until
/// 0.95 of the rate before was reached, and lasted.
pub(crate) async fn run(stage: &mut Stage, args: &RecoveryArgs) -> Result<Vec<Record>> {
    let shapes = vec![Shape::linear(args.length.max(1))];
    let workload = Workload::new("recovery", shapes, 1, args.in_flight);
    let database = stage.database().await?;
    let mut running = Running::warm(stage, database, &workload, Fleet::queued(1, 1)).await?;
    let pool = running.database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    let driver = running.driver(Duration::from_millis(stage.globals.poll_ms));
    let ended = Cell::new(false);
    let mut series = Series::new(pool.clone());
    let (services, database) = (&mut running.services, &running.database);
    let script = async {
        series.watch(SETTLE_SECONDS).await?;
        let before = series.watch(args.seconds).await?;
        let per_second = series.rate(before);
        services.kill()?;
        services.respawn(stage, database)?;
        let started = series.now();
        let recovered = loop {
            series.sample().await?;
            if let Some(at) = series.reached(started, RECOVERED * per_second) {
                break at;
            }
            ensure!(
                series.now() < started + RECOVERED_WITHIN_SECONDS,
                "{RECOVERED} of the rate was not reached within {RECOVERED_WITHIN_SECONDS} s"
            );
        };
        let after = series.watch(AFTER_SECONDS).await?;
        ended.set(true);
        anyhow::Ok((per_second, series.rate(after), recovered - started))
    };
    let names = workload.names();
    let load = driver.drive(&names, Until::Told(&ended), workload.in_flight);
    let joined = tokio::try_join!(load, script);
    let (outcome, (before_per_s, after_per_s, recovered_s)) =
        joined.with_context(|| running.services.log_tails())?;
    let record = frame.end(&pool, workload.command).await?;
    running.finish(stage).await?;
    let steps = outcome.tasks * workload.shapes[0].len();
    Ok(vec![Record {
        shape: names.join(" "),
        mode: Some(Mode::Queued),
        tasks: outcome.tasks,
        steps,
        in_flight: Some(workload.in_flight),
        seconds: rounded(outcome.seconds),
        values: named([
            ("recovered_s", rounded(recovered_s)),
            ("before_per_s", before_per_s.round()),
            ("after_per_s", after_per_s.round()),
        ]),
        ..record
    }])
}
