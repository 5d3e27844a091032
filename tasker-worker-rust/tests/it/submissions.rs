//! Many clients want the same, and some want it sooner.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use tasker_shared::wire::TaskRequest;

use crate::site::{complete, request, Site};
use crate::templates::{nap, register, template};

#[tokio::test]
async fn fifty_submissions_with_one_key_at_once_make_one_task() {
    let site = Site::new().await;
    let (one, other) = (site.orchestrator().await, site.orchestrator().await);
    let _worker = site.worker().await;
    register(
        &one.client,
        &template("order", &["name: ship, handler_class: Bench::Noop"]),
    )
    .await;
    let keyed = TaskRequest {
        idempotency_key: Some("order-17".to_owned()),
        ..request("it/order", json!({"order": 17}))
    };
    let clients = [&one.client, &other.client];
    let answers = join_all((0..50).map(|n| clients[n % 2].submit(&keyed))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let ids: BTreeSet<i64> = answers.iter().map(|answer| answer.task.task_id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    complete(&one.client, &ids.into_iter().collect::<Vec<_>>()).await;
    assert_eq!(site.count("SELECT count(*) FROM tasker_tasks").await, 1);
    assert_eq!(
        site.count("SELECT sum(attempts) FROM tasker_workflow_steps")
            .await,
        1
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn steps_of_urgent_tasks_are_taken_first() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    register(client, &nap("nap", 20)).await;
    let mut tasks = Vec::new();
    for priority in [-5, 0, 5, 0, 100] {
        let request = TaskRequest {
            priority: Some(priority),
            ..request("it/nap", json!({}))
        };
        tasks.push(client.submit(&request).await.unwrap().task.task_id);
    }
    let _worker = site.worker_with(&["worker.concurrency=1"]).await;
    complete(client, &tasks).await;
    let begun = "SELECT task_id FROM tasker_workflow_steps ORDER BY last_attempted_at";
    let begun: Vec<i64> = sqlx::query_scalar(begun)
        .fetch_all(site.pool())
        .await
        .unwrap();
    assert_eq!(begun, [4, 2, 1, 3, 0].map(|n: usize| tasks[n]));
    site.assert_sound().await;
}
