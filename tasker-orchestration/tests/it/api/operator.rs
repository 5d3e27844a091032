//! The verbs of an operator, by REST.

use anyhow::Result;
use serde_json::json;
use tasker_client::ClientError;
use tasker_shared::domain::State;
use tasker_shared::wire::{OperatorRequest, ResolveRequest};

use super::harness::{order, Api};

fn by_anna() -> OperatorRequest {
    OperatorRequest {
        reason: Some("asked to".to_owned()),
        operator: Some("anna".to_owned()),
    }
}

#[track_caller]
fn status_of<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> u16 {
    answer.unwrap_err().status().unwrap()
}

#[tokio::test]
async fn a_cancelled_task_stays_cancelled() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    let task = api.client.cancel_task(id, &by_anna()).await?;
    assert_eq!(task.state, State::Cancelled);
    assert_eq!(status_of(api.client.retry_task(id, &by_anna()).await), 409);
    Ok(())
}

#[tokio::test]
async fn a_verb_needs_no_body() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    let answer = api
        .http
        .post(format!("{}/v1/tasks/{id}/cancel", api.base))
        .send()
        .await?;
    assert_eq!(answer.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_step_that_did_not_fail_cannot_be_retried() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    let steps = api.client.steps(id).await?;
    assert_eq!(
        status_of(
            api.client
                .retry_step(id, steps[0].step_id, &by_anna())
                .await
        ),
        409
    );
    Ok(())
}

#[tokio::test]
async fn a_resolved_step_carries_its_results() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    let steps = api.client.steps(id).await?;
    let request = ResolveRequest {
        results: json!({"reserved": 3}),
        ..ResolveRequest::default()
    };
    let step = api
        .client
        .resolve_step(id, steps[0].step_id, &request)
        .await?;
    assert_eq!(step.state, State::ResolvedManually);
    assert_eq!(step.results["reserved"], json!(3));
    Ok(())
}

#[tokio::test]
async fn a_step_is_found_only_in_its_own_task() -> Result<()> {
    let api = Api::with_order().await?;
    let one = api.client.submit(&order(1)).await?.task.task_id;
    let other = api.client.submit(&order(2)).await?.task.task_id;
    let step = api.client.steps(other).await?[0].step_id;
    assert_eq!(status_of(api.client.step(one, step).await), 404);
    assert_eq!(
        status_of(api.client.cancel_step(one, step, &by_anna()).await),
        404
    );
    assert_eq!(api.client.step(other, step).await?.state, State::Pending);
    Ok(())
}

#[tokio::test]
async fn verbs_on_nothing_are_404() -> Result<()> {
    let api = Api::start().await?;
    let (none, resolve) = (by_anna(), ResolveRequest::default());
    assert_eq!(status_of(api.client.cancel_task(99, &none).await), 404);
    assert_eq!(status_of(api.client.retry_task(99, &none).await), 404);
    assert_eq!(status_of(api.client.cancel_step(99, 1, &none).await), 404);
    assert_eq!(status_of(api.client.retry_step(99, 1, &none).await), 404);
    assert_eq!(
        status_of(api.client.resolve_step(99, 1, &resolve).await),
        404
    );
    Ok(())
}

#[tokio::test]
async fn what_goes_into_the_audit_trail_is_bounded() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    let long = OperatorRequest {
        operator: Some("x".repeat(129)),
        ..OperatorRequest::default()
    };
    assert_eq!(status_of(api.client.cancel_task(id, &long).await), 422);
    let nul = api
        .post(
            &format!("/v1/tasks/{id}/cancel"),
            r#"{"reason": "a\u0000"}"#,
        )
        .await?;
    assert_eq!(nul.problem().status, 400);
    assert_ne!(
        api.client
            .task(id, tasker_client::Include::default())
            .await?
            .state,
        State::Cancelled
    );
    Ok(())
}
