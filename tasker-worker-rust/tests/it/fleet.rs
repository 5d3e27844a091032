//! Several of each service on one database.

use serde_json::json;
use tasker_shared::wire::TaskRequest;
use tasker_testkit::TestDatabase;

use crate::site::{complete, request, submit, Site};
use crate::templates::register_shipped;

const DIAMONDS: i64 = 200;

#[tokio::test]
async fn two_of_each_service_run_every_step_of_200_diamonds_exactly_once() {
    let site = Site::new().await;
    let (one, other) = (site.orchestrator().await, site.orchestrator().await);
    let _workers = (
        site.worker().await,
        site.worker_with(&["engine.audit=live"]).await,
    );
    register_shipped(&one.client, "examples/02_diamond").await;
    let requests: Vec<TaskRequest> = (0..DIAMONDS / 2)
        .map(|_| request("examples/02_diamond", json!({"even_number": 6})))
        .collect();
    let (here, there) = futures_util::join!(
        one.client.submit_batch(&requests),
        other.client.submit_batch(&requests)
    );
    let items = [here.unwrap().items, there.unwrap().items].concat();
    let tasks: Vec<i64> = items
        .into_iter()
        .map(|item| item.task_id.unwrap())
        .collect();
    complete(&other.client, &tasks).await;

    let joins = "SELECT count(*) FROM tasker_workflow_steps WHERE results->>'value' = '51840' AND attempts = 1";
    assert_eq!(site.count(joins).await, DIAMONDS);
    let run_once = "SELECT count(*) FROM tasker_workflow_steps WHERE attempts = 1 AND processed";
    assert_eq!(site.count(run_once).await, 4 * DIAMONDS);
    // Begun once and ended once, by the audit trail too.
    let transitions = site
        .count("SELECT count(*) FROM tasker_workflow_step_transitions")
        .await;
    assert_eq!(transitions, 2 * 4 * DIAMONDS);
    let stale = one.metric("tasker_stale_reports_total").await
        + other.metric("tasker_stale_reports_total").await;
    assert_eq!(stale as i64, 0);
    site.assert_sound().await;
}

#[tokio::test]
async fn services_that_start_together_on_an_empty_database_make_it_theirs() {
    let site = Site::of(TestDatabase::empty().await.unwrap()).await;
    let (one, other, _worker, _another) = futures_util::join!(
        site.orchestrator(),
        site.orchestrator(),
        site.worker(),
        site.worker()
    );
    // The workers were there before there was a namespace to serve.
    register_shipped(&one.client, "examples/02_diamond").await;
    let task = submit(
        &other.client,
        "examples/02_diamond",
        json!({"even_number": 6}),
    )
    .await;
    complete(&one.client, &[task]).await;
    site.assert_sound().await;
}
