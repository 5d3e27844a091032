//! What an outcome does, and what a stale one does not.

use serde_json::json;
use tasker_shared::config::Audit;
use tasker_shared::domain::{FailureKind, Outcome, State, StepError};
use tasker_shared::store::{read, Reach, Report};
use tasker_shared::wire::StepPhase;

use super::harness::{failure, success, Engine};

const DIAMOND: &[(&str, &[&str])] = &[
    ("start", &[]),
    ("left", &["start"]),
    ("right", &["start"]),
    ("join", &["left", "right"]),
];

#[tokio::test]
async fn a_diamond_runs_in_order_and_leaves_the_trail_rails_leaves() {
    let mut engine = Engine::new().await;
    let task = engine.submit("diamond", DIAMOND).await;
    let order = engine.run_to_the_end().await;
    assert_eq!(order.first().map(String::as_str), Some("start"));
    assert_eq!(order.last().map(String::as_str), Some("join"));
    assert_eq!(order.len(), 4);
    let task = engine.task(task.task_id).await;
    assert_eq!(task.state, State::Complete);
    assert!(task.complete);
    let rows: Vec<_> = task.transitions.unwrap();
    let of_task: Vec<_> = rows
        .iter()
        .filter(|t| t.step_id.is_none())
        .map(|t| {
            (
                t.from_state.clone(),
                t.to_state.clone(),
                t.sort_key,
                t.most_recent,
                t.metadata.clone(),
            )
        })
        .collect();
    let established = json!({"initialization_completed": true, "step_dependencies_established": 4});
    assert_eq!(
        of_task,
        [
            (
                Some("pending".into()),
                "in_progress".into(),
                10,
                false,
                established
            ),
            (
                Some("in_progress".into()),
                "complete".into(),
                20,
                true,
                json!({})
            ),
        ]
    );
    let of_join: Vec<_> = rows
        .iter()
        .filter(|t| t.step_name.as_deref() == Some("join"))
        .map(|t| (t.to_state.as_str(), t.sort_key, t.most_recent))
        .collect();
    assert_eq!(
        of_join,
        [("in_progress", 10, false), ("complete", 20, true)]
    );
    let step = &engine.steps(task.task_id).await["join"];
    assert_eq!(
        (step.attempts, step.processed, step.in_process),
        (1, true, false)
    );
    assert!(step.processed_at.is_some() && step.last_attempted_at.is_some());
    engine.verify().await;
}

#[tokio::test]
async fn a_child_sees_the_results_of_its_parents() {
    let mut engine = Engine::new().await;
    engine.submit("diamond", DIAMOND).await;
    let start = engine.claim_one().await;
    engine.succeed(start, json!({"from": "start"})).await;
    let claim = engine.claims.claim(10).await.unwrap();
    assert_eq!(claim.steps.len(), 2);
    assert_eq!(
        claim.parents.len(),
        1,
        "one parent, sent once for both children"
    );
    assert_eq!(claim.parents[0].results, json!({"from": "start"}));
    assert_eq!(claim.parents[0].children.len(), 2);
    assert_eq!(claim.contexts[&start.task_id], json!({"n": 1}));
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_after_its_delay_and_both_are_audited() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    let first = engine.claim_one().await;
    let error = StepError::retryable("gateway timed out").with_code("GATEWAY");
    let advanced = engine.fail(first, error).await;
    assert_eq!(
        (advanced.retried, advanced.delayed, advanced.failed),
        (1, 1, 0)
    );
    assert_eq!(
        engine.steps(task.task_id).await["only"].phase,
        StepPhase::BackingOff
    );
    engine.verify().await;
    engine.make_due().await;
    assert_eq!(engine.sweep().await.due, 1);
    engine.verify().await;
    let second = engine.claim_one().await;
    assert_eq!(second.attempt, 2);
    engine.succeed(second, json!({"ok": true})).await;
    let step = read::step(&engine.store, task.task_id, second.step_id)
        .await
        .unwrap()
        .unwrap();
    let trail: Vec<_> = step
        .transitions
        .unwrap()
        .iter()
        .map(|t| (t.to_state.clone(), t.sort_key))
        .collect();
    let expected = [
        ("in_progress", 10),
        ("error", 20),
        ("pending", 30),
        ("in_progress", 40),
        ("complete", 50),
    ];
    assert_eq!(trail, expected.map(|(state, key)| (state.to_owned(), key)));
    assert_eq!(step.results, json!({"ok": true}));
    let failures = step.failures.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].error["message"], "gateway timed out");
    assert_eq!(failures[0].error["error_code"], "GATEWAY");
    engine.verify().await;
}

#[tokio::test]
async fn a_permanent_failure_ends_the_task_when_the_other_branch_is_done() {
    let mut engine = Engine::new().await;
    let task = engine.submit("diamond", DIAMOND).await;
    let start = engine.claim_one().await;
    engine.succeed(start, json!(null)).await;
    let mut branches = engine.claim(2).await;
    if engine.name_of(&branches[0].attempt).await == "right" {
        branches.reverse();
    }
    let (left, right) = (branches[0].attempt, branches[1].attempt);
    let advanced = engine.fail(left, StepError::permanent("no")).await;
    assert_eq!(advanced.failed, 1);
    assert!(advanced.finished.is_empty(), "the right branch still runs");
    assert_eq!(engine.state(task.task_id).await, State::InProgress);
    let advanced = engine.succeed(right, json!({})).await;
    assert_eq!(advanced.finished, [(task.task_id, State::Error)]);
    let steps = engine.steps(task.task_id).await;
    assert_eq!(steps["join"].phase, StepPhase::Blocked);
    assert_eq!(steps["left"].results["error"], "no");
    assert_eq!(
        steps["left"].results["error_class"],
        "Tasker::PermanentError"
    );
    assert!(!steps["left"].processed);
    let explained = read::explain(&engine.store, task.task_id)
        .await
        .unwrap()
        .unwrap();
    let join = explained.steps.iter().find(|s| s.name == "join").unwrap();
    assert_eq!(join.waiting_on, ["left"]);
    engine.verify().await;
}

#[tokio::test]
async fn attempts_never_exceed_the_limit() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    for attempt in 1..=3 {
        let claimed = engine.claim_one().await;
        assert_eq!(claimed.attempt, attempt);
        engine.fail(claimed, StepError::retryable("again")).await;
        engine.make_due().await;
        engine.sweep().await;
    }
    assert!(engine.claim(1).await.is_empty());
    assert_eq!(engine.state(task.task_id).await, State::Error);
    assert_eq!(
        engine
            .count("SELECT count(*) FROM tasker.step_failures")
            .await,
        3
    );
    engine.verify().await;
}

#[tokio::test]
async fn late_completion_after_redelivery_changes_nothing() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    let zombie = engine.claim_one().await;
    engine.expire(zombie).await;
    assert_eq!(engine.sweep().await.lost.applied, 1);
    engine.sweep().await;
    let winner = engine.claim_one().await;
    assert_eq!((winner.step_id, winner.attempt), (zombie.step_id, 2));
    let late = engine.succeed(zombie, json!({"by": "zombie"})).await;
    assert_eq!((late.applied, late.stale.len(), late.enqueued), (0, 1, 0));
    let lost = engine
        .store
        .renew(&super::harness::namespace(), &[lease(zombie)])
        .await
        .unwrap();
    assert_eq!(lost, [zombie.message_id], "the zombie cannot renew either");
    engine.succeed(winner, json!({"by": "winner"})).await;
    let again = engine.succeed(zombie, json!({"by": "zombie"})).await;
    assert_eq!(again.applied, 0);
    assert_eq!(
        engine.steps(task.task_id).await["a"].results,
        json!({"by": "winner"})
    );
    engine.verify().await;
}

fn lease(attempt: tasker_shared::store::Attempt) -> tasker_shared::store::Lease {
    tasker_shared::store::Lease {
        message_id: attempt.message_id,
        token: attempt.lease_token,
    }
}

#[tokio::test]
async fn two_reports_of_one_execution_are_one() {
    let mut engine = Engine::new().await;
    engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    let a = engine.claim_one().await;
    let advanced = engine
        .report(vec![success(a, json!(1)), success(a, json!(1))])
        .await;
    assert_eq!(
        (advanced.applied, advanced.stale.len(), advanced.enqueued),
        (1, 1, 1)
    );
    engine.verify().await;
}

#[tokio::test]
async fn an_attempt_handed_back_does_not_count_and_its_holder_cannot_report_it_later() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    let first = engine.claim_one().await;
    let report = Report {
        attempt: first,
        outcome: Outcome::HandedBack,
        stored: false,
    };
    let advanced = engine.report(vec![report]).await;
    assert_eq!((advanced.handed_back, advanced.enqueued), (1, 1));
    engine.verify().await;
    let second = engine.claim_one().await;
    assert_eq!(second.attempt, 1, "the attempt number is used again");
    assert_ne!(second.message_id, first.message_id, "the fence is not");
    let late = engine.succeed(first, json!("late")).await;
    assert_eq!(late.applied, 0);
    engine.succeed(second, json!("right")).await;
    engine.verify().await;
}

#[tokio::test]
async fn a_step_without_a_handler_is_parked_uncounted() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let outcome = Outcome::NoHandler {
        handler_class: "Test::Handler".into(),
    };
    engine
        .report(vec![Report {
            attempt,
            outcome,
            stored: false,
        }])
        .await;
    let step = &engine.steps(task.task_id).await["only"];
    assert_eq!((step.attempts, step.phase), (0, StepPhase::NoHandler));
    engine.verify().await;
    engine.make_due().await;
    engine.sweep().await;
    assert_eq!(engine.claim_one().await.attempt, 1);
}

#[tokio::test]
async fn a_server_requested_delay_prevails_and_is_shown_to_rails() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let error = StepError::retryable_after("429", std::time::Duration::from_secs(30));
    engine.fail(attempt, error).await;
    let seconds = engine
        .count("SELECT backoff_request_seconds::bigint FROM tasker_workflow_steps")
        .await;
    assert_eq!(seconds, 30);
    let look = engine.look(Reach::Front).await;
    let wait = look.delays.next.unwrap().as_secs();
    assert!((20..=30).contains(&wait), "{wait}");
    assert!(look.delays.due.is_empty());
    engine.make_due().await;
    let look = engine.look(Reach::Front).await;
    assert_eq!(look.delays.due, [super::harness::namespace()]);
    engine.verify().await;
}

#[tokio::test]
async fn a_delay_asked_for_at_the_end_of_a_step_is_shown_to_rails_too() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let mut error = StepError::retryable_after("503", std::time::Duration::from_secs(300));
    error.kind = FailureKind::Permanent;
    engine.fail(attempt, error).await;
    assert_eq!(engine.state(task.task_id).await, State::Error);
    let seconds = "SELECT backoff_request_seconds::bigint FROM tasker_workflow_steps";
    assert_eq!(engine.count(seconds).await, 300);
    engine.verify().await;
}

#[tokio::test]
async fn live_audit_writes_the_start_when_it_happens() {
    let mut engine = Engine::with(|config| config.engine.audit = Audit::Live).await;
    let task = engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let started = "SELECT count(*) FROM tasker_workflow_step_transitions WHERE to_state = 'in_progress' AND most_recent";
    assert_eq!(engine.count(started).await, 1);
    engine.verify().await;
    let report = Report {
        attempt,
        outcome: Outcome::HandedBack,
        stored: false,
    };
    engine.report(vec![report]).await;
    let attempt = engine.claim_one().await;
    assert_eq!(
        engine.count(started).await,
        1,
        "handed back and taken again is one start"
    );
    engine.fail(attempt, StepError::retryable("x")).await;
    engine.make_due().await;
    engine.sweep().await;
    let attempt = engine.claim_one().await;
    engine.succeed(attempt, json!({})).await;
    let rows = engine
        .count("SELECT count(*) FROM tasker_workflow_step_transitions")
        .await;
    assert_eq!(rows, 5);
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn a_batch_may_mix_tasks_and_outcomes() {
    let mut engine = Engine::new().await;
    let mut tasks = Vec::new();
    engine.submit("diamond", DIAMOND).await;
    for _ in 0..5 {
        tasks.push(engine.submit_again("diamond").await.task_id);
    }
    let claimed = engine.claim(10).await;
    assert_eq!(claimed.len(), 6);
    let reports = claimed
        .iter()
        .enumerate()
        .map(|(i, c)| match i % 3 {
            0 => success(c.attempt, json!(i)),
            1 => failure(c.attempt, StepError::retryable("x")),
            _ => failure(c.attempt, StepError::permanent("x")),
        })
        .collect();
    let advanced = engine.report(reports).await;
    assert_eq!(advanced.applied, 6);
    assert_eq!(
        (advanced.enqueued, advanced.retried, advanced.failed),
        (4, 2, 2)
    );
    assert_eq!(advanced.finished.len(), 2);
    engine.verify().await;
}
