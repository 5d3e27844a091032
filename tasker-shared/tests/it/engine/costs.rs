//! What every turn of the hot path asks of the database: its statements, its commits,
//! its WAL. Times are measured elsewhere; these numbers are the same on every machine.

mod feed;
mod line;
mod meter;
mod turns;

use serde_json::json;
use sqlx::postgres::PgListener;
use tasker_shared::domain::{Namespace, StepError};
use tasker_shared::messaging::{Channel, WAKE_CHANNEL};
use tasker_shared::store::{ClaimConnection, Report, Room};

use super::harness::{failure, namespace, success, Engine, NAMESPACE};
use super::shapes::{fan, layered, linear, uneven, Steps};
use line::{Bill, Line, Way};
use turns::{
    ADVANCE, ADVANCE_OF_TWO_NAMESPACES, GO_ON, NOTHING_TO_ADVANCE, NOTHING_TO_CLAIM,
    NOTHING_TO_SWEEP, NOTHING_TO_TAKE, REPORT_AND_WAKE, REPORT_WITH_ONE_LARGE_RESULT, RESULTS,
    RESULTS_AND_WAKE, RESULTS_OF_TWO_NAMESPACES, SUBMIT, SUBMIT_TO_TWO_NAMESPACES, SWEEP_OF_DUE,
};

/// Tasks of these shapes in turn.
struct Case {
    name: &'static str,
    shapes: &'static [fn() -> Steps],
    /// Most bytes of WAL a step, about 5 % more than there are: in turns of 100 through
    /// the results queue, and directly, everything from submission to the end of its
    /// task together; in turns of one through the queue, without submission.
    limits: [i64; 3],
}

const CASES: [Case; 4] = [
    Case {
        name: "linear",
        shapes: &[|| linear(10)],
        limits: [2_620, 2_600, 2_480],
    },
    Case {
        name: "fan",
        shapes: &[|| fan(8)],
        limits: [2_850, 2_820, 2_480],
    },
    Case {
        name: "layered",
        shapes: &[|| layered(4, 5)],
        limits: [2_980, 2_960, 2_620],
    },
    Case {
        name: "mixed",
        shapes: &[|| fan(2), uneven, || layered(4, 5)],
        limits: [2_920, 2_900, 2_520],
    },
];

#[tokio::test]
async fn a_turn_costs_the_same_for_one_step_and_for_a_hundred() {
    let runs = [
        (60, Way::Queued, 100),
        (60, Way::Direct, 100),
        (6, Way::Queued, 1),
    ];
    let mut line = Line::new(|_| {}).await;
    for case in CASES {
        let names: Vec<String> = (0..case.shapes.len())
            .map(|n| format!("{}_{n}", case.name))
            .collect();
        for (name, shape) in names.iter().zip(case.shapes) {
            line.register(NAMESPACE, name, &shape()).await;
        }
        for ((tasks, way, batch), limit) in runs.into_iter().zip(case.limits) {
            let all = names.iter().cycle().take(tasks);
            let tasks: Vec<_> = all.map(|name| (NAMESPACE, name.as_str())).collect();
            let mut bill = Bill::default();
            line.submit(&tasks, &SUBMIT, &mut bill).await;
            if batch == 1 {
                bill = Bill::default();
            }
            line.run(way, batch, &mut bill).await;
            let told = format!("{}, {way:?}, turns of {batch}: {bill}", case.name);
            println!("{told}");
            assert!(
                bill.wal_per_step() <= limit,
                "more than {limit} B/step: {told}"
            );
        }
    }
    line.meter.engine.verify().await;
}

#[tokio::test]
async fn neither_the_size_of_a_task_nor_what_is_stored_changes_what_a_step_costs() {
    let mut line = Line::new(|_| {}).await;
    line.register(NAMESPACE, "small", &layered(2, 5)).await;
    line.register(NAMESPACE, "large", &layered(2, 500)).await;
    let small = thousand_steps(&mut line, "small", 100).await;
    let large = thousand_steps(&mut line, "large", 1).await;
    for _ in 0..3 {
        thousand_steps(&mut line, "small", 100).await;
    }
    let later = thousand_steps(&mut line, "small", 100).await;
    for (other, percent) in [(large, 110), (later, 103)] {
        assert_eq!(other.turns(), small.turns());
        let limit = small.wal_per_step() * percent / 100;
        assert!(other.wal_per_step() <= limit, "{other}, against {small}");
    }
    line.meter.engine.verify().await;
}

async fn thousand_steps(line: &mut Line, name: &str, tasks: usize) -> Bill {
    let mut bill = Bill::default();
    let tasks = vec![(NAMESPACE, name); tasks];
    line.submit(&tasks, &SUBMIT, &mut bill).await;
    line.run(Way::Queued, 100, &mut bill).await;
    assert_eq!(bill.steps, 1_000);
    bill
}

#[tokio::test]
async fn each_namespace_in_a_batch_is_one_more_statement() {
    let mut line = Line::new(|_| {}).await;
    let other = Namespace::parse("other").unwrap();
    line.register(NAMESPACE, "ours", &fan(2)).await;
    line.register("other", "theirs", &fan(2)).await;
    let store = line.meter.engine.store.clone();
    let mut others = ClaimConnection::open(&store, &other).await.unwrap();
    let tasks = [(NAMESPACE, "ours"), ("other", "theirs")].repeat(10);
    let mut bill = Bill::default();
    line.submit(&tasks, &SUBMIT_TO_TWO_NAMESPACES, &mut bill)
        .await;
    for way in [Way::Direct, Way::Queued] {
        let mut claimed = line.meter.engine.claim(100).await;
        claimed.extend(others.claim(100).await.unwrap().steps);
        assert!(claimed.len() >= 20);
        let reports: Vec<Report> = claimed
            .iter()
            .map(|claimed| success(claimed.attempt, json!({})))
            .collect();
        if way == Way::Direct {
            let advance = async |engine: &mut Engine| engine.advances.advance(reports).await;
            let (advanced, spent) = line.meter.of(advance).await;
            assert_eq!(advanced.unwrap().len(), 2);
            ADVANCE_OF_TWO_NAMESPACES.is(&spent);
        } else {
            line.reports.send(&reports).await.unwrap();
            let process = async |_: &mut Engine| line.results.process().await;
            let (taken, spent) = line.meter.of(process).await;
            assert_eq!(taken.unwrap().advanced.len(), 2);
            RESULTS_OF_TWO_NAMESPACES.is(&spent);
        }
    }
    line.meter.engine.verify().await;
}

#[tokio::test]
async fn a_chain_that_goes_on_costs_one_statement_and_one_commit_a_step() {
    let mut line = Line::new(|_| {}).await;
    line.register(NAMESPACE, "linear", &linear(5)).await;
    let mut bill = Bill::default();
    line.submit(&[(NAMESPACE, "linear")], &SUBMIT, &mut bill)
        .await;
    let mut attempt = line.meter.engine.claim_one().await;
    for _ in 1..5 {
        let room = Room {
            steps: 1,
            after: vec![attempt.step_id],
        };
        let reports = vec![success(attempt, json!({}))];
        let go_on =
            async |engine: &mut Engine| engine.advances.advance_and_take(reports, &room).await;
        let (advanced, spent) = line.meter.of(go_on).await;
        GO_ON.is(&spent);
        attempt = advanced.unwrap().1[0].attempt;
    }
    line.meter.engine.verify().await;
}

#[tokio::test]
async fn a_lone_wake_costs_no_statement_and_no_commit() {
    let mut line = Line::new(|config| config.engine.wake_interval_ms = 1).await;
    line.reports = line.reports.waking();
    line.results = line.results.waking();
    line.register(NAMESPACE, "linear", &linear(3)).await;
    let mut bill = Bill::default();
    line.submit(&[(NAMESPACE, "linear")], &SUBMIT, &mut bill)
        .await;
    // The first of a connection are sent by themselves.
    let attempt = line.meter.engine.claim_one().await;
    line.reports
        .send(&[success(attempt, json!({}))])
        .await
        .unwrap();
    line.results.process().await.unwrap();
    line.meter.engine.store.hub().finish().await;
    let mut listener = PgListener::connect(line.meter.engine.url()).await.unwrap();
    listener.listen(WAKE_CHANNEL).await.unwrap();
    let attempt = line.meter.engine.claim_one().await;
    let reports = [success(attempt, json!({}))];
    let report = async |_: &mut Engine| line.reports.send(&reports).await;
    let (done, spent) = line.meter.of(report).await;
    done.unwrap();
    REPORT_AND_WAKE.is(&spent);
    let process = async |_: &mut Engine| line.results.process().await;
    let (taken, spent) = line.meter.of(process).await;
    assert_eq!(taken.unwrap().reports, 1);
    RESULTS_AND_WAKE.is(&spent);
    for channel in [Channel::Results, Channel::Steps(namespace())] {
        let wake = listener.recv().await.unwrap();
        assert_eq!(wake.payload().split('@').next().unwrap(), channel.name());
    }
}

#[tokio::test]
async fn a_large_result_is_one_statement_and_one_commit_more() {
    let mut line = Line::new(|config| config.engine.results_inline_max_bytes = 1_024).await;
    line.register(NAMESPACE, "pairs", &fan(2)).await;
    let mut bill = Bill::default();
    line.submit(&[(NAMESPACE, "pairs"); 2], &SUBMIT, &mut bill)
        .await;
    let claimed = line.meter.engine.claim(2).await;
    let large = json!({"text": "x".repeat(2_000)});
    let reports: Vec<Report> = [large, json!({})]
        .into_iter()
        .zip(&claimed)
        .map(|(results, claimed)| success(claimed.attempt, results))
        .collect();
    let report = async |_: &mut Engine| line.reports.send(&reports).await;
    let (done, spent) = line.meter.of(report).await;
    done.unwrap();
    REPORT_WITH_ONE_LARGE_RESULT.is(&spent);
    let process = async |_: &mut Engine| line.results.process().await;
    let (taken, spent) = line.meter.of(process).await;
    assert_eq!(taken.unwrap().reports, 2);
    RESULTS.is(&spent);
    line.meter.engine.verify().await;
}

#[tokio::test]
async fn failures_cost_a_batch_no_more_and_their_return_one_statement_for_all() {
    let mut line = Line::new(|_| {}).await;
    line.register(NAMESPACE, "linear", &linear(2)).await;
    let mut bill = Bill::default();
    line.submit(&[(NAMESPACE, "linear"); 50], &SUBMIT, &mut bill)
        .await;
    let claimed = line.meter.engine.claim(50).await;
    let reports: Vec<Report> = claimed
        .iter()
        .map(|claimed| failure(claimed.attempt, StepError::retryable("try again")))
        .collect();
    let advance = async |engine: &mut Engine| engine.report(reports).await;
    let (advanced, spent) = line.meter.of(advance).await;
    assert_eq!(advanced.retried, 50);
    ADVANCE.is(&spent);
    line.meter.engine.make_due().await;
    let (swept, spent) = line.meter.of(Engine::sweep).await;
    assert_eq!(swept.due, 50);
    SWEEP_OF_DUE.is(&spent);
    line.meter.engine.verify().await;
}

#[tokio::test]
async fn what_finds_nothing_to_do_writes_nothing() {
    let mut line = Line::new(|_| {}).await;
    let (claimed, spent) = line.meter.of(async |engine| engine.claim(100).await).await;
    assert!(claimed.is_empty());
    NOTHING_TO_CLAIM.is(&spent);
    let process = async |_: &mut Engine| line.results.process().await;
    let (taken, spent) = line.meter.of(process).await;
    assert_eq!(taken.unwrap().messages, 0);
    NOTHING_TO_TAKE.is(&spent);
    let (_, spent) = line
        .meter
        .of(async |engine| engine.report(vec![]).await)
        .await;
    NOTHING_TO_ADVANCE.is(&spent);
    let (_, spent) = line.meter.of(Engine::sweep).await;
    NOTHING_TO_SWEEP.is(&spent);
}
