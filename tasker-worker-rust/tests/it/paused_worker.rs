//! A worker stands still for longer than its lease and then goes on as if nothing
//! had happened: what it says then is stale.

use serde_json::json;
use tasker_testkit::eventually;

use crate::site::{complete, failure_kinds, running, step, submit, Site, PATIENCE};
use crate::templates::{nap, register};

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
    assert_eq!((before.attempts, failure_kinds(&before)), (2, vec![(1, "lost")]));

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
    assert_eq!(serde_json::to_value(&after).unwrap(), serde_json::to_value(&before).unwrap());
    // And it is of use again.
    let next = submit(client, "it/nap", json!({})).await;
    complete(client, &[next]).await;
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
