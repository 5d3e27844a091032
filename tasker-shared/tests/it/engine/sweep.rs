//! Leases that run out, and hands in the database.

use serde_json::json;
use tasker_shared::domain::State;
use tasker_shared::store::operate::fail_exhausted;
use tasker_shared::store::read;

use super::harness::{namespace, Engine};

#[tokio::test]
async fn a_step_whose_workers_keep_dying_fails_after_its_last_attempt() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    for attempt in 1..=3 {
        let claimed = engine.claim_one().await;
        assert_eq!(claimed.attempt, attempt);
        assert!(
            engine.claim(1).await.is_empty(),
            "a step under way is claimed by nobody"
        );
        engine.expire(claimed).await;
        assert!(
            engine.claim(1).await.is_empty(),
            "nor before its lost attempt is booked"
        );
        assert_eq!(
            engine.store.glance(&[namespace()]).await.unwrap().busy,
            [namespace()]
        );
        assert_eq!(engine.sweep().await.lost.applied, 1);
        engine.sweep().await;
        engine.verify().await;
    }
    assert_eq!(engine.state(task.task_id).await, State::Error);
    let step_id = engine.steps(task.task_id).await["only"].step_id;
    let step = read::step(&engine.store, task.task_id, step_id)
        .await
        .unwrap()
        .unwrap();
    let kinds: Vec<_> = step.failures.unwrap().into_iter().map(|f| f.kind).collect();
    assert_eq!(kinds, ["lost", "lost", "lost"]);
}

#[tokio::test]
async fn a_lease_that_is_renewed_in_time_is_not_lost() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    engine.expire(attempt).await;
    let lease = tasker_shared::store::Lease {
        message_id: attempt.message_id,
        token: attempt.lease_token,
    };
    assert!(engine
        .store
        .renew(&namespace(), &[lease])
        .await
        .unwrap()
        .is_empty());
    assert_eq!(engine.sweep().await.lost.applied, 0);
    assert_eq!(engine.succeed(attempt, json!({})).await.applied, 1);
    engine.verify().await;
}

#[tokio::test]
async fn messages_deleted_by_hand_come_back() {
    let mut engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a", "b"])];
    let task = engine.submit("join", steps).await;
    let running = engine.claim_one().await;
    sqlx::query("DELETE FROM pgmq.q_steps_tests")
        .execute(engine.store.pool())
        .await
        .unwrap();
    let repairs = engine.store.repair(&namespace()).await.unwrap();
    assert_eq!((repairs.enqueued, repairs.deleted), (2, 0));
    engine.verify().await;
    assert_eq!(engine.store.repair(&namespace()).await.unwrap().enqueued, 0);
    assert_eq!(
        engine.succeed(running, json!({})).await.applied,
        0,
        "its lease went with its message"
    );
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn messages_made_by_hand_run_nothing_twice() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    let copy = "INSERT INTO pgmq.q_steps_tests (vt, message) SELECT now(), message FROM pgmq.q_steps_tests";
    sqlx::query(copy)
        .execute(engine.store.pool())
        .await
        .unwrap();
    let claimed = engine.claim(10).await;
    assert_eq!(claimed.len(), 1, "two messages of one step are one claim");
    let repairs = engine.store.repair(&namespace()).await.unwrap();
    assert_eq!((repairs.enqueued, repairs.deleted), (0, 1));
    assert_eq!(
        engine.succeed(claimed[0].attempt, json!({})).await.applied,
        1
    );
    sqlx::query(
        "SELECT pgmq.send('steps_tests', jsonb_build_object('task_id', $1::bigint, 'step_id', 0))",
    )
    .bind(task.task_id)
    .execute(engine.store.pool())
    .await
    .unwrap();
    assert_eq!(engine.store.repair(&namespace()).await.unwrap().deleted, 1);
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn several_sweeps_at_once_move_each_due_step_once() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    for _ in 0..30 {
        engine.submit_again("one").await;
    }
    for claimed in engine.claim(100).await {
        let error = tasker_shared::domain::StepError::retryable("x");
        engine.fail(claimed.attempt, error).await;
    }
    engine.make_due().await;
    let mut sweeps = Vec::new();
    for _ in 0..4 {
        let mut connection = tasker_shared::store::AdvanceConnection::open(&engine.store)
            .await
            .unwrap();
        sweeps.push(tokio::spawn(async move {
            connection.sweep(&namespace()).await.unwrap().due
        }));
    }
    let mut moved = 0;
    for sweep in sweeps {
        moved += sweep.await.unwrap();
    }
    assert_eq!(moved, 31);
    engine.verify().await;
}

#[tokio::test]
async fn a_step_whose_limit_was_lowered_below_its_attempts_ends_in_error() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    let attempt = engine.claim_one().await;
    let error = tasker_shared::domain::StepError::retryable("x");
    engine.fail(attempt, error).await;
    engine.make_due().await;
    engine.sweep().await;
    assert_eq!(
        fail_exhausted(&engine.store, &namespace()).await.unwrap(),
        0
    );
    sqlx::query("UPDATE tasker_workflow_steps SET retry_limit = 1")
        .execute(engine.store.pool())
        .await
        .unwrap();
    assert!(
        engine.claim(1).await.is_empty(),
        "no attempt beyond the limit"
    );
    assert_eq!(
        fail_exhausted(&engine.store, &namespace()).await.unwrap(),
        1
    );
    assert_eq!(engine.state(task.task_id).await, State::Error);
    let step = &engine.steps(task.task_id).await["a"];
    assert_eq!(step.results["error_class"], "Tasker::RetryLimitLowered");
    engine.verify().await;
}
