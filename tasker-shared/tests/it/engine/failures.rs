//! What a failure leaves in the step's results: the engine's keys beside what was there,
//! or exactly what the handler says.

use serde_json::{json, Value};
use tasker_shared::domain::{State, StepError};
use tasker_shared::store::{ReportConnection, ResultConnection};

use super::harness::{failure, Engine};

async fn results(engine: &Engine, task_id: i64) -> Value {
    engine.steps(task_id).await["only"].results.clone()
}

#[tokio::test]
async fn results_that_come_with_a_failure_replace_all_that_was_there_without_a_key_of_ours() {
    let mut engine = Engine::new().await;
    let task = engine.submit("single", &[("only", &[])]).await.task_id;
    let first = engine.claim_one().await;
    let own = json!({"error": "as the handler words it", "partial": [1, 2]});
    let error = StepError::retryable("first").with_results(own.clone());
    engine.fail(first, error).await;
    assert_eq!(results(&engine, task).await, own);

    engine.make_due().await;
    engine.sweep().await;
    let second = engine.claim(1).await.remove(0);
    assert_eq!(second.previous_results, own);
    engine
        .fail(second.attempt, StepError::retryable("second"))
        .await;
    let merged = json!({
        "partial": [1, 2], "error": "second", "error_class": "Tasker::RetryableError", "backtrace": "",
    });
    assert_eq!(results(&engine, task).await, merged);

    engine.make_due().await;
    engine.sweep().await;
    let third = engine.claim_one().await;
    let error = StepError::permanent("third").with_results(Value::Null);
    engine.fail(third, error).await;
    assert_eq!(results(&engine, task).await, Value::Null);
    assert_eq!(engine.state(task).await, State::Error);
    engine.verify().await;
}

#[tokio::test]
async fn results_of_a_failure_are_stored_once_and_not_with_its_error() {
    let mut engine = Engine::new().await;
    engine.submit("single", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let error = StepError::permanent("no").with_results(json!({"a": 1}));
    engine.fail(attempt, error).await;
    let stored: Value = sqlx::query_scalar("SELECT error FROM tasker.step_failures")
        .fetch_one(engine.store.pool())
        .await
        .unwrap();
    let expected = json!({
        "kind": "permanent", "message": "no", "error_class": "Tasker::PermanentError",
    });
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn large_results_of_a_failure_do_not_ride_in_the_message_and_no_key_is_added_to_them() {
    let mut engine = Engine::with(|config| config.engine.results_inline_max_bytes = 1024).await;
    let task = engine.submit("single", &[("only", &[])]).await.task_id;
    let attempt = engine.claim_one().await;
    let large = json!({"text": "x".repeat(100_000)});
    let error = StepError::permanent("no").with_results(large.clone());
    let mut reports = ReportConnection::open(&engine.store).await.unwrap();
    reports.send(&[failure(attempt, error)]).await.unwrap();
    let in_queue = engine
        .count("SELECT max(pg_column_size(message))::bigint FROM pgmq.q_step_results")
        .await;
    assert!(in_queue < 2_000, "{in_queue} bytes ride in the message");
    let mut taken = ResultConnection::open(&engine.store).await.unwrap();
    assert_eq!(taken.process().await.unwrap().reports, 1);
    assert_eq!(results(&engine, task).await, large);
    assert_eq!(engine.state(task).await, State::Error);
    engine.verify().await;
}

#[tokio::test]
async fn null_results_of_a_failure_cross_the_results_queue() {
    let mut engine = Engine::new().await;
    let task = engine.submit("single", &[("only", &[])]).await.task_id;
    let attempt = engine.claim_one().await;
    let error = StepError::permanent("no").with_results(Value::Null);
    let mut reports = ReportConnection::open(&engine.store).await.unwrap();
    reports.send(&[failure(attempt, error)]).await.unwrap();
    let mut taken = ResultConnection::open(&engine.store).await.unwrap();
    taken.process().await.unwrap();
    assert_eq!(results(&engine, task).await, Value::Null);
}
