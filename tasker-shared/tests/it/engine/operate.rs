//! What an operator may do, and what it leaves behind.

use serde_json::json;
use tasker_shared::domain::{State, StepError};
use tasker_shared::store::operate::{
    cancel_step, cancel_task, resolve_step, retry_step, retry_task, OperateError,
};
use tasker_shared::store::read;
use tasker_shared::wire::{OperatorRequest, ResolveRequest, StepPhase};

use super::harness::Engine;

const CHAIN: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
const JOIN: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a", "b"])];

fn by(reason: &str) -> OperatorRequest {
    OperatorRequest {
        reason: Some(reason.into()),
        operator: Some("ada".into()),
    }
}

fn refused(result: &Result<(), OperateError>) -> bool {
    matches!(result, Err(OperateError::NotAllowed { .. }))
}

#[tokio::test]
async fn cancelling_a_task_stops_everything_and_late_reports_are_stale() {
    let mut engine = Engine::new().await;
    let task = engine.submit("join", JOIN).await.task_id;
    let running = engine.claim_one().await;
    cancel_task(&engine.store, task, &by("test")).await.unwrap();
    engine.verify().await;
    assert_eq!(engine.state(task).await, State::Cancelled);
    assert!(engine
        .steps(task)
        .await
        .values()
        .all(|s| s.state == State::Cancelled));
    assert!(engine.claim(10).await.is_empty());
    assert_eq!(engine.succeed(running, json!({})).await.applied, 0);
    assert_eq!(
        engine
            .count("SELECT count(*) FROM pgmq.q_steps_tests")
            .await,
        0
    );
    let transitions = engine.task(task).await.transitions.unwrap();
    let last = transitions.iter().rfind(|t| t.step_id.is_none()).unwrap();
    assert_eq!(
        last.metadata,
        json!({"action": "cancel", "reason": "test", "operator": "ada"})
    );
    assert!(refused(
        &cancel_task(&engine.store, task, &by("again")).await
    ));
    assert!(refused(&retry_task(&engine.store, task, &by("no")).await));
    engine.verify().await;
}

#[tokio::test]
async fn cancelling_a_task_that_backs_off_leaves_the_step_in_error() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    engine.fail(a, StepError::retryable("x")).await;
    cancel_task(&engine.store, task, &by("test")).await.unwrap();
    assert_eq!(engine.steps(task).await["a"].state, State::Error);
    engine.make_due().await;
    assert_eq!(engine.sweep().await.due, 0);
    engine.verify().await;
}

#[tokio::test]
async fn cancelling_steps_in_every_phase_ends_the_task_as_cancelled() {
    let mut engine = Engine::new().await;
    // Waiting: its gate never opens, its sibling goes on.
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
    let task = engine.submit("diamond", steps).await.task_id;
    let ids = engine.steps(task).await;
    cancel_step(&engine.store, task, ids["b"].step_id, &by("waiting"))
        .await
        .unwrap();
    cancel_step(&engine.store, task, ids["d"].step_id, &by("waiting"))
        .await
        .unwrap();
    engine.verify().await;
    assert_eq!(engine.run_to_the_end().await, ["a", "c"]);
    assert_eq!(engine.state(task).await, State::Cancelled);
    engine.verify().await;
    // Enqueued, running, backing off.
    let task = engine.submit("join", JOIN).await.task_id;
    let ids = engine.steps(task).await;
    let running = engine.claim_one().await;
    cancel_step(&engine.store, task, running.step_id, &by("running"))
        .await
        .unwrap();
    assert_eq!(engine.succeed(running, json!({})).await.applied, 0);
    engine.verify().await;
    let other = engine.claim_one().await;
    engine.fail(other, StepError::retryable("x")).await;
    cancel_step(&engine.store, task, other.step_id, &by("backing off"))
        .await
        .unwrap();
    engine.verify().await;
    assert_eq!(engine.state(task).await, State::Cancelled);
    assert!(refused(
        &cancel_step(&engine.store, task, ids["c"].step_id, &by("too late")).await
    ));
}

#[tokio::test]
async fn retrying_a_failed_task_counts_attempts_anew_and_keeps_the_past() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    engine.fail(a, StepError::permanent("broken")).await;
    assert_eq!(engine.state(task).await, State::Error);
    retry_task(&engine.store, task, &by("fixed")).await.unwrap();
    assert_eq!(engine.state(task).await, State::InProgress);
    engine.verify().await;
    let again = engine.claim_one().await;
    assert_eq!((again.step_id, again.attempt), (a.step_id, 1));
    engine.succeed(again, json!({})).await;
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task).await, State::Complete);
    let states: Vec<_> = engine
        .task(task)
        .await
        .transitions
        .unwrap()
        .into_iter()
        .filter(|t| t.step_id.is_none())
        .map(|t| t.to_state)
        .collect();
    assert_eq!(
        states,
        ["in_progress", "error", "pending", "in_progress", "complete"]
    );
    assert_eq!(
        engine
            .count("SELECT count(*) FROM tasker.step_failures")
            .await,
        1
    );
    assert!(refused(&retry_task(&engine.store, task, &by("no")).await));
    engine.verify().await;
}

#[tokio::test]
async fn retrying_a_step_that_backs_off_runs_it_at_once() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    engine
        .fail(
            a,
            StepError::retryable_after("x", std::time::Duration::from_secs(3600)),
        )
        .await;
    retry_step(&engine.store, task, a.step_id, &by("now"))
        .await
        .unwrap();
    engine.verify().await;
    assert_eq!(engine.run_to_the_end().await, ["a", "b", "c"]);
    assert_eq!(engine.state(task).await, State::Complete);
    assert!(refused(
        &retry_step(&engine.store, task, a.step_id, &by("done")).await
    ));
    engine.verify().await;
}

#[tokio::test]
async fn resolving_a_failed_step_lets_its_children_read_the_results() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    engine.fail(a, StepError::permanent("broken")).await;
    let request = ResolveRequest {
        results: json!({"by": "hand"}),
        reason: None,
        operator: Some("ada".into()),
    };
    resolve_step(&engine.store, task, a.step_id, &request)
        .await
        .unwrap();
    engine.verify().await;
    let claim = engine.claims.claim(1).await.unwrap();
    assert_eq!(claim.parents[0].results, json!({"by": "hand"}));
    engine.succeed(claim.steps[0].attempt, json!({})).await;
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task).await, State::Complete);
    let step = read::step(&engine.store, task, a.step_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (step.state, step.processed),
        (State::ResolvedManually, false)
    );
    engine.verify().await;
}

#[tokio::test]
async fn resolving_steps_before_they_run_skips_them() {
    let mut engine = Engine::new().await;
    let task = engine.submit("join", JOIN).await.task_id;
    let ids = engine.steps(task).await;
    resolve_step(
        &engine.store,
        task,
        ids["c"].step_id,
        &ResolveRequest::default(),
    )
    .await
    .unwrap();
    engine.verify().await;
    resolve_step(
        &engine.store,
        task,
        ids["a"].step_id,
        &ResolveRequest::default(),
    )
    .await
    .unwrap();
    engine.verify().await;
    assert_eq!(engine.run_to_the_end().await, ["b"]);
    assert_eq!(engine.state(task).await, State::Complete);
    engine.verify().await;
    let running = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    let refusal = resolve_step(
        &engine.store,
        running,
        a.step_id,
        &ResolveRequest::default(),
    )
    .await;
    assert!(
        refused(&refusal),
        "a running step is not resolved under its handler"
    );
}

#[tokio::test]
async fn a_cancel_and_a_claim_at_the_same_moment_agree() {
    let mut engine = Engine::new().await;
    engine.submit("join", JOIN).await;
    for _ in 0..25 {
        let task = engine.submit_again("join").await.task_id;
        let store = engine.store.clone();
        let cancelling = tokio::spawn(async move { cancel_task(&store, task, &by("race")).await });
        let claimed = engine.claim(4).await;
        cancelling.await.unwrap().unwrap();
        let reports = claimed
            .iter()
            .map(|c| super::harness::success(c.attempt, json!({})))
            .collect();
        engine.report(reports).await;
        assert_eq!(engine.state(task).await, State::Cancelled);
        engine.verify().await;
    }
}

#[tokio::test]
async fn tasks_of_the_rails_engine_are_shown_and_left_alone() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    engine.claim_one().await;
    for table in [
        "tasker.task_runs",
        "tasker.step_gates",
        "pgmq.q_steps_tests",
    ] {
        sqlx::query(&format!("DELETE FROM {table}"))
            .execute(engine.store.pool())
            .await
            .unwrap();
    }
    let shown = engine.task(task).await;
    assert!(!shown.driven_by_core);
    assert!(shown
        .steps
        .unwrap()
        .iter()
        .all(|s| s.phase == StepPhase::External));
    let refusal = cancel_task(&engine.store, task, &by("no")).await;
    assert!(matches!(refusal, Err(OperateError::NotDriven)));
    let missing = cancel_task(&engine.store, 99_999, &by("no")).await;
    assert!(matches!(missing, Err(OperateError::NotFound { .. })));
}
