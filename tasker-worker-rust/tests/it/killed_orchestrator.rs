//! Orchestration dies without a word and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use serde_json::json;
use tasker_client::Client;
use tasker_shared::wire::TaskRequest;
use tasker_testkit::eventually;

use crate::site::{complete, failure_kinds, request, running, step, submit, Site, PATIENCE};
use crate::templates::{nap, register, sleepy_diamond, template};

const CLIENTS: usize = 4;
const EACH: usize = 30;
const STEPS: i64 = 400;

fn keyed(client: usize, number: usize) -> TaskRequest {
    TaskRequest {
        idempotency_key: Some(format!("{client}-{number}")),
        ..request("it/diamond", json!({"client": client, "number": number}))
    }
}

/// Submits until the service is gone; task ids by key.
async fn submit_until_gone(
    client: Client,
    number: usize,
    acknowledged: Arc<AtomicUsize>,
) -> BTreeMap<String, i64> {
    let mut tasks = BTreeMap::new();
    for request in (0..EACH).map(|n| keyed(number, n)) {
        let Ok(submitted) = client.submit(&request).await else {
            break;
        };
        tasks.insert(request.idempotency_key.unwrap(), submitted.task.task_id);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    tasks
}

#[tokio::test]
async fn what_was_acknowledged_before_the_kill_is_there_after_it_and_all_of_it_ends() {
    let site = Site::new().await;
    let mut orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    register(&orchestrator.client, &sleepy_diamond("diamond", 20)).await;

    let acknowledged = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            tokio::spawn(submit_until_gone(
                orchestrator.client.clone(),
                number,
                acknowledged.clone(),
            ))
        })
        .collect();
    let probe =
        || async { (acknowledged.load(Ordering::Relaxed) >= CLIENTS * EACH / 4).then_some(()) };
    eventually("submissions are under way", PATIENCE, probe).await;
    orchestrator.process.kill_9().unwrap();
    let mut before = BTreeMap::new();
    for client in clients {
        before.extend(client.await.unwrap());
    }

    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    let mut tasks = BTreeSet::new();
    for (number, n) in (0..CLIENTS).flat_map(|number| (0..EACH).map(move |n| (number, n))) {
        let request = keyed(number, n);
        let again = client.submit(&request).await.unwrap();
        if let Some(task_id) = before.get(request.idempotency_key.as_deref().unwrap()) {
            assert_eq!((again.duplicate, again.task.task_id), (true, *task_id));
        }
        tasks.insert(again.task.task_id);
    }
    assert_eq!(tasks.len(), CLIENTS * EACH);
    assert_eq!(
        site.count("SELECT count(*) FROM tasker_tasks").await,
        tasks.len() as i64
    );
    complete(client, &tasks.into_iter().collect::<Vec<_>>()).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn reports_that_waited_longer_than_a_lease_for_orchestration_still_count() {
    let site = Site::new().await;
    let mut orchestrator = site.orchestrator().await;
    // Many small messages: the sweep is there before all of them are applied.
    let worker = site
        .worker_with(&["worker.report_batch_max=1", "worker.concurrency=400"])
        .await;
    let client = orchestrator.client.clone();
    // One attempt each: an attempt taken for lost would fail the task.
    let names: Vec<String> = (0..STEPS)
        .map(|n| format!("name: s{n}, handler_class: Bench::Sleep, handler_config: {{ms: 1500}}, default_retry_limit: 1"))
        .collect();
    register(
        &client,
        &template(
            "wide",
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        ),
    )
    .await;
    let task = submit(&client, "it/wide", json!({})).await;
    let running = "SELECT count(*) FROM tasker_workflow_steps WHERE in_process";
    site.counts("all steps run", running, STEPS).await;
    orchestrator.process.kill_9().unwrap();
    worker.empty_handed().await;
    let expired = "SELECT count(*) FROM pgmq.q_steps_it WHERE vt <= clock_timestamp()";
    site.counts("their leases have run out", expired, STEPS)
        .await;

    let orchestrator = site.orchestrator().await;
    complete(&orchestrator.client, &[task]).await;
    assert_eq!(
        site.count("SELECT count(*) FROM tasker.step_failures")
            .await,
        0
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn a_worker_keeps_its_lease_while_there_is_no_orchestration() {
    let site = Site::new().await;
    let mut orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    register(&orchestrator.client, &nap("nap", 7_000)).await;
    let task = submit(&orchestrator.client, "it/nap", json!({})).await;
    running(&orchestrator.client, task, "nap").await;
    orchestrator.process.kill_9().unwrap();
    let reported = "SELECT count(*) FROM pgmq.q_step_results";
    site.counts("the step has been reported", reported, 1).await;
    let orchestrator = site.orchestrator().await;
    complete(&orchestrator.client, &[task]).await;
    let nap = step(&orchestrator.client, task, "nap").await;
    assert_eq!((nap.attempts, failure_kinds(&nap)), (1, vec![]));
    site.assert_sound().await;
}

#[tokio::test]
async fn when_everything_is_killed_at_once_everything_goes_on_after_a_restart() {
    let site = Site::new().await;
    let (mut orchestrator, mut worker) = (site.orchestrator().await, site.worker().await);
    register(&orchestrator.client, &sleepy_diamond("diamond", 300)).await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(submit(&orchestrator.client, "it/diamond", json!({})).await);
    }
    let processed = "SELECT count(*) FROM tasker_workflow_steps WHERE processed";
    site.counts("every task is under way", processed, 6).await;
    orchestrator.process.kill_9().unwrap();
    worker.process.kill_9().unwrap();
    site.assert_sound().await;
    let (orchestrator, _worker) = (site.orchestrator().await, site.worker().await);
    complete(&orchestrator.client, &tasks).await;
    site.assert_sound().await;
}
