//! SIGTERM: what a worker has begun and cannot finish goes back, uncounted.

use std::time::Duration;

use serde_json::json;
use tasker_testkit::eventually;

use crate::site::{complete, running, submit, Site, PATIENCE};
use crate::templates::{nap, register};

#[tokio::test]
async fn a_worker_told_to_end_under_load_does_so_within_five_seconds_and_no_attempt_is_lost() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut first = site.worker_with(&["worker.concurrency=4"]).await;
    let client = &orchestrator.client;
    // Longer than the drain lets a handler run.
    register(client, &nap("nap", 4_500)).await;
    register(client, &nap("doze", 10)).await;
    let mut tasks = vec![submit(client, "it/doze", json!({})).await];
    complete(client, &tasks).await;
    for _ in 0..10 {
        tasks.push(submit(client, "it/nap", json!({})).await);
    }
    site.counts(
        "its hands are full",
        "SELECT count(*) FROM tasker_workflow_steps WHERE in_process",
        4,
    )
    .await;
    first.process.terminate().unwrap();
    first.ready_answers(503).await;
    let status = first
        .process
        .wait_exit(Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(status.code(), Some(0), "{}", first.process.output());
    assert_eq!(site.count("SELECT count(*) FROM tasker.workers").await, 0);
    site.results_applied().await;
    let held = site
        .count("SELECT count(*) FROM tasker_workflow_steps WHERE in_process OR attempts > 1")
        .await;
    assert_eq!(held, 0);
    let handed_back = orchestrator
        .metric_of("tasker_steps_finished_total", "outcome=\"handed_back\"")
        .await;
    assert!(handed_back >= 4.0, "{handed_back}");

    let _second = site.worker().await;
    complete(client, &tasks).await;
    let again = site
        .count("SELECT count(*) FROM tasker_workflow_steps WHERE attempts <> 1")
        .await;
    let failures = site
        .count("SELECT count(*) FROM tasker.step_failures")
        .await;
    assert_eq!((again, failures), (0, 0));
    site.assert_sound().await;
}

#[tokio::test]
async fn the_last_report_of_a_worker_that_ends_is_heard_at_once() {
    let site = Site::new().await;
    // Found by a look only, it would be found in five minutes.
    let seldom = ["engine.poll_interval_ms=60000", "engine.lease_ms=3600000"];
    let orchestrator = site.orchestrator_with(&seldom).await;
    let mut worker = site.worker_with(&seldom).await;
    let client = &orchestrator.client;
    register(client, &nap("nap", 1_000)).await;
    let task = submit(client, "it/nap", json!({})).await;
    running(client, task, "nap").await;
    worker.process.terminate().unwrap();
    let status = worker.process.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", worker.process.output());
    complete(client, &[task]).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn a_second_signal_ends_a_draining_worker_at_once_and_another_takes_over() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut first = site.worker_with(&["worker.drain_timeout_ms=600000"]).await;
    let client = &orchestrator.client;
    register(client, &nap("nap", 3_000)).await;
    let task = submit(client, "it/nap", json!({})).await;
    running(client, task, "nap").await;
    first.process.terminate().unwrap();
    first.ready_answers(503).await;
    first.process.terminate().unwrap();
    let status = first.process.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(143));
    let _second = site.worker().await;
    complete(client, &[task]).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn orchestration_told_to_end_finishes_what_it_does_and_exits_with_0() {
    let site = Site::new().await;
    let mut orchestrator = site.orchestrator().await;
    let worker = site.worker().await;
    register(&orchestrator.client, &nap("nap", 500)).await;
    let task = submit(&orchestrator.client, "it/nap", json!({})).await;
    running(&orchestrator.client, task, "nap").await;
    orchestrator.process.terminate().unwrap();
    let status = orchestrator
        .process
        .wait_exit(Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(status.code(), Some(0), "{}", orchestrator.process.output());
    // The worker does not mind.
    worker.empty_handed().await;
    let probe = || async { worker.client.ready().await.ok()?.ready.then_some(()) };
    eventually("the worker stays ready", PATIENCE, probe).await;
    let orchestrator = site.orchestrator().await;
    complete(&orchestrator.client, &[task]).await;
    site.assert_sound().await;
}
