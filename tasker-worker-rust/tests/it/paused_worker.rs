//! A worker stands still for longer than its lease and then goes on as if nothing
//! had happened: what it says then is stale.

use serde_json::json;
use tasker_shared::domain::State;
use tasker_testkit::eventually;

use crate::site::{complete, ended, failure_kinds, running, step, submit, Site, PATIENCE};
use crate::templates::{nap, register, template};
use crate::verbs::by_anna;

#[tokio::test]
async fn the_late_report_of_a_worker_that_stood_still_changes_nothing() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut frozen = site.worker().await;
    let client = &orchestrator.client;
    register(client, &nap("nap", 1_000)).await;
    let task = submit(client, "it/nap", json!({})).await;
    running(client, task, "nap").await;
    frozen.process.pause().unwrap();

    let _other = site.worker().await;
    complete(client, &[task]).await;
    let before = step(client, task, "nap").await;
    assert_eq!(
        (before.attempts, failure_kinds(&before)),
        (2, vec![(1, "lost")])
    );

    frozen.process.resume().unwrap();
    frozen.empty_handed().await;
    // It notices by itself, or its report is found to be stale: either is told.
    let probe = || async {
        let noticed = frozen.metric("tasker_leases_lost_total").await;
        let stale = orchestrator.metric("tasker_stale_reports_total").await;
        (noticed + stale >= 1.0).then_some(())
    };
    eventually("somebody noticed", PATIENCE, probe).await;
    site.results_applied().await;
    let after = step(client, task, "nap").await;
    assert_eq!(
        serde_json::to_value(&after).unwrap(),
        serde_json::to_value(&before).unwrap()
    );
    // And it is of use again.
    let next = submit(client, "it/nap", json!({})).await;
    complete(client, &[next]).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn late_results_of_an_attempt_whose_number_is_used_again_are_not_written() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    // All results go around the queue, into the row of the step.
    let around = ["engine.results_inline_max_bytes=0"];
    let mut frozen = site.worker_with(&around).await;
    let client = &orchestrator.client;
    let nap = "name: nap, handler_class: Bench::Sleep, handler_config: {ms: 3000}, default_retry_limit: 1";
    register(client, &template("once", &[nap])).await;
    let task = submit(client, "it/once", json!({})).await;
    running(client, task, "nap").await;
    frozen.process.pause().unwrap();
    assert_eq!(ended(client, task).await.state, State::Error);

    // An operator's retry makes attempt 1 of another worker, which is asleep while
    // the first one wakes with the results of its own attempt 1.
    let lost = step(client, task, "nap").await;
    client
        .retry_step(task, lost.step_id, &by_anna())
        .await
        .unwrap();
    let _other = site.worker_with(&around).await;
    running(client, task, "nap").await;
    frozen.process.resume().unwrap();
    frozen.empty_handed().await;
    let asleep = step(client, task, "nap").await;
    assert_eq!((asleep.in_process, asleep.attempts), (true, 1));
    assert_eq!(asleep.results, lost.results);
    complete(client, &[task]).await;
    assert_eq!(
        step(client, task, "nap").await.results,
        json!({"slept_ms": 3000})
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn orchestration_that_stood_still_goes_on_without_booking_live_attempts_as_lost() {
    let site = Site::new().await;
    let mut frozen = site.orchestrator().await;
    let other = site.orchestrator().await;
    let _worker = site.worker().await;
    register(&frozen.client, &nap("nap", 7_000)).await;
    let task = submit(&frozen.client, "it/nap", json!({})).await;
    running(&frozen.client, task, "nap").await;
    frozen.process.pause().unwrap();
    complete(&other.client, &[task]).await;
    frozen.process.resume().unwrap();
    let nap = step(&frozen.client, task, "nap").await;
    assert_eq!((nap.attempts, failure_kinds(&nap)), (1, vec![]));
    site.assert_sound().await;
}
