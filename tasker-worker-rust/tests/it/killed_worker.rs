//! A worker dies without a word; another takes over what it held.

use std::collections::BTreeSet;

use serde_json::json;
use tasker_shared::domain::State;
use tasker_testkit::eventually;

use crate::site::{complete, ended, failure_kinds, running, step, submit, Service, Site};
use crate::templates::{nap, register, sleepy_diamond, template};

const RUNNING: &str = "SELECT count(*) FROM tasker_workflow_steps WHERE in_process";

/// Kills the only worker in mid-run, and returns the steps it held.
async fn kill_in_mid_run(site: &Site, worker: &mut Service) -> BTreeSet<i64> {
    loop {
        site.counts("the worker holds steps", RUNNING, 1).await;
        // Standing still, it cannot let go of them between the look and the kill.
        worker.process.pause().unwrap();
        site.results_applied().await;
        let held = "SELECT workflow_step_id FROM tasker_workflow_steps WHERE in_process";
        let held: Vec<i64> = sqlx::query_scalar(held)
            .fetch_all(site.pool())
            .await
            .unwrap();
        if !held.is_empty() {
            worker.process.kill_9().unwrap();
            return held.into_iter().collect();
        }
        worker.process.resume().unwrap();
    }
}

#[tokio::test]
async fn exactly_the_steps_of_a_killed_worker_run_again_and_their_lost_attempts_count() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut first = site.worker().await;
    let client = &orchestrator.client;
    register(client, &sleepy_diamond("diamond", 300)).await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(submit(client, "it/diamond", json!({})).await);
    }
    site.counts(
        "every task is under way",
        "SELECT count(*) FROM tasker_workflow_steps WHERE processed",
        6,
    )
    .await;
    let orphans = kill_in_mid_run(&site, &mut first).await;
    let _second = site.worker().await;

    let mut lost = BTreeSet::new();
    for task in tasks {
        complete(client, &[task]).await;
        for listed in client.steps(task).await.unwrap() {
            let step = client.step(task, listed.step_id).await.unwrap();
            match failure_kinds(&step)[..] {
                [] => assert_eq!(step.attempts, 1),
                [(1, "lost")] => {
                    assert_eq!(step.attempts, 2);
                    lost.insert(step.step_id);
                }
                _ => panic!("{step:?}"),
            }
        }
    }
    assert_eq!(lost, orphans);
    assert!(orchestrator.metric("tasker_leases_lost_total").await >= orphans.len() as f64);
    site.assert_sound().await;
}

#[tokio::test]
async fn a_worker_that_is_there_already_takes_over_when_the_lease_ends() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let workers = [
        &["worker.concurrency=3"][..],
        &["worker.concurrency=3", "engine.audit=live"],
    ];
    let mut doomed = site.worker_with(workers[0]).await;
    let _survivor = site.worker_with(workers[1]).await;
    let client = &orchestrator.client;
    register(client, &sleepy_diamond("diamond", 300)).await;
    register(client, &nap("long", 2_000)).await;
    // Twelve long steps for two times three hands: both workers have them full.
    let mut tasks = Vec::new();
    for _ in 0..12 {
        tasks.push(submit(client, "it/long", json!({})).await);
    }
    tasks.push(submit(client, "it/diamond", json!({})).await);
    site.counts("both workers have their hands full", RUNNING, 6)
        .await;
    doomed.process.kill_9().unwrap();

    let probe = || async {
        let lost = site
            .count("SELECT count(*) FROM tasker.step_failures WHERE kind = 'lost'")
            .await;
        (lost >= 3).then_some(())
    };
    eventually(
        "the lost attempts are booked",
        std::time::Duration::from_secs(20),
        probe,
    )
    .await;
    complete(client, &tasks).await;
    let sums = "SELECT count(*) FROM tasker_workflow_steps s WHERE s.attempts <> 1 +
                (SELECT count(*) FROM tasker.step_failures f WHERE f.workflow_step_id = s.workflow_step_id)";
    assert_eq!(site.count(sums).await, 0);
    site.assert_sound().await;
}

#[tokio::test]
async fn a_step_that_may_run_once_fails_with_its_worker_and_says_so() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut worker = site.worker().await;
    let client = &orchestrator.client;
    let only = "name: only, handler_class: Bench::Sleep, handler_config: {ms: 60000}, default_retry_limit: 1";
    register(
        client,
        &template(
            "once",
            &[
                only,
                "name: after, depends_on_step: only, handler_class: Bench::Noop",
            ],
        ),
    )
    .await;
    let task = submit(client, "it/once", json!({})).await;
    running(client, task, "only").await;
    worker.process.kill_9().unwrap();
    assert_eq!(ended(client, task).await.state, State::Error);
    let only = step(client, task, "only").await;
    assert_eq!(
        (only.attempts, failure_kinds(&only)),
        (1, vec![(1, "lost")])
    );
    let explanation = client.explain(task).await.unwrap();
    assert!(
        explanation.steps[0].reason.contains("no attempt is left"),
        "{explanation:?}"
    );
    assert_eq!(explanation.steps[1].waiting_on, ["only"]);
    site.assert_sound().await;
}
