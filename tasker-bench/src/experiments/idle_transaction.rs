//! A transaction that stays open in the same database, while a load runs.
//!
//! It has written and holds a snapshot: nothing that died since it began can be cleaned
//! up before it ends, neither by vacuum nor by pruning a page on the way. The queues are
//! tables of which every row dies young.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, PgConnection};

use crate::cli::{arguments, Mode};
use crate::drive::Until;
use crate::measure::Frame;
use crate::record::{named, Record};
use crate::running::Running;
use crate::series::Series;
use crate::services::Fleet;
use crate::shape::Shape;
use crate::stage::{Database, Stage};
use crate::stats::rounded;
use crate::workload::Workload;

arguments!(IdleTransactionArgs {
    /// How long the transaction stays open
    seconds: u64 = 120,
    /// How long the load is measured before it, and how long after it
    around: u64 = 30,
    /// Steps of a task
    length: usize = 20,
    /// Tasks under way at once
    in_flight: usize = 500,
});

/// Until the load is even.
const SETTLE_SECONDS: u64 = 5;

/// One record. Rates in steps a second, ratios to the rate before; `after_ratio` is of
/// the second half of the time after.
pub(crate) async fn run(stage: &mut Stage, args: &IdleTransactionArgs) -> Result<Vec<Record>> {
    let shapes = vec![Shape::linear(args.length.max(1))];
    let workload = Workload::new("idle-transaction", shapes, 1, args.in_flight);
    let database = stage.database().await?;
    let running = Running::warm(stage, database, &workload, Fleet::queued(1, 1)).await?;
    let pool = running.database.store.pool().clone();
    let frame = Frame::begin(stage, &pool).await?;
    let driver = running.driver(Duration::from_millis(stage.globals.poll_ms));
    let ended = Cell::new(false);
    let mut series = Series::new(pool.clone());
    let script = async {
        series.watch(SETTLE_SECONDS).await?;
        let before = series.watch(args.around).await?;
        let idle = idle_transaction(&running.database).await?;
        let during = series.watch(args.seconds).await?;
        end(idle).await?;
        let after = series.watch(args.around).await?;
        ended.set(true);
        anyhow::Ok((before, during, after))
    };
    let names = workload.names();
    let load = driver.drive(&names, Until::Told(&ended), workload.in_flight);
    let (outcome, (before, during, after)) =
        tokio::try_join!(load, script).with_context(|| running.services.log_tails())?;
    let record = frame.end(&pool, workload.command).await?;
    running.finish(stage).await?;

    let last = |share: f64, (from, until): (f64, f64)| (until - share * (until - from), until);
    let per_second = series.rate(before);
    let ratio = |time| rounded(series.rate(time) / per_second);
    let steps = outcome.tasks * workload.shapes[0].len();
    Ok(vec![Record {
        variant: Some(format!("{} s", args.seconds)),
        shape: names.join(" "),
        mode: Some(Mode::Queued),
        tasks: outcome.tasks,
        steps,
        in_flight: Some(workload.in_flight),
        seconds: rounded(outcome.seconds),
        values: named([
            ("before_per_s", per_second.round()),
            ("during_per_s", series.rate(during).round()),
            ("during_ratio", ratio(during)),
            ("during_last_quarter_ratio", ratio(last(0.25, during))),
            ("after_ratio", ratio(last(0.5, after))),
        ]),
        ..record
    }])
}

/// A transaction that has written, with a snapshot that it keeps; nothing ends it.
async fn idle_transaction(database: &Database) -> Result<PgConnection> {
    let options: PgConnectOptions = database.url.parse()?;
    let mut connection = options.connect().await?;
    for statement in [
        "SET idle_in_transaction_session_timeout = 0",
        "CREATE TABLE tasker_bench_idle (n bigint)",
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "INSERT INTO tasker_bench_idle VALUES (1)",
    ] {
        connection.execute(statement).await?;
    }
    Ok(connection)
}

async fn end(mut connection: PgConnection) -> Result<()> {
    connection
        .execute("ROLLBACK; DROP TABLE tasker_bench_idle")
        .await?;
    Ok(())
}
