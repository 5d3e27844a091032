//! The service without its database, and at its end.

use anyhow::Result;
use tasker_client::ClientError;

use super::harness::{order, Api};

#[tokio::test]
async fn a_ready_service_says_so() -> Result<()> {
    let api = Api::with_order().await?;
    let ready = api.client.ready().await?;
    assert!(ready.ready, "{ready:?}");
    let names: Vec<&str> = ready
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(names, ["database", "migrations", "queues"]);
    let status = api.client.status().await?;
    assert_eq!(
        (status.role.as_str(), status.ready),
        ("orchestration", true)
    );
    assert!(
        status.loops.iter().any(|turning| turning.name == "intake"),
        "{status:?}"
    );
    assert!(api
        .client
        .metrics()
        .await?
        .contains("tasker_http_requests_total"));
    Ok(())
}

#[tokio::test]
async fn a_missing_queue_is_a_reason_not_to_be_ready() -> Result<()> {
    let api = Api::with_order().await?;
    sqlx::query("SELECT pgmq.drop_queue('steps_api')")
        .execute(api.database.pool())
        .await?;
    let ready = api.client.ready().await?;
    assert!(!ready.ready);
    assert!(
        ready.checks[2]
            .reason
            .as_deref()
            .unwrap()
            .contains("steps_api"),
        "{ready:?}"
    );
    Ok(())
}

#[tokio::test]
async fn without_its_database_the_service_lives_and_says_what_is_wrong() -> Result<()> {
    let api = Api::with_order().await?;
    api.store.pool().close().await;
    assert_eq!(api.client.live().await?.status, "ok");
    let answer = api.get("/health/ready").await?;
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
    let ready = api.client.ready().await?;
    assert!(
        ready
            .checks
            .iter()
            .all(|check| !check.ok && check.reason.is_some()),
        "{ready:?}"
    );
    for path in [
        "/v1/tasks",
        "/v1/tasks/1",
        "/v1/tasks/1/steps",
        "/v1/templates",
        "/v1/tasks/1/graph",
    ] {
        let answer = api.get(path).await?;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, "1"),
            "{path}"
        );
        assert_eq!(answer.problem().code, "TSK-3002", "{path}");
    }
    let refused = api.client.submit(&order(1)).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Problem { problem, retry_after: Some(_) } if problem.status == 503),
        "{refused:?}"
    );
    assert!(refused.is_transient());
    Ok(())
}

#[tokio::test]
async fn a_stopped_service_is_unreachable() -> Result<()> {
    let mut api = Api::start().await?;
    api.stop().await;
    let gone = api.client.live().await.unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }), "{gone:?}");
    assert!(gone.is_transient());
    Ok(())
}
