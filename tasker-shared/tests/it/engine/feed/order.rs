//! Which events there are, what is in them, and in which order they come.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_shared::store::feed::{Event, IDENTIFIERS};
use tasker_shared::store::operate;
use tasker_shared::wire::{OperatorRequest, ResolveRequest};

use super::{feed, identifiers, read};
use crate::engine::harness::{failure, success, Engine};

const BEGINNING: [&str; 7] = [
    "task.start_requested",
    "observability.task.enqueue",
    "task.before_transition",
    "task.start_requested",
    "workflow.task_started",
    "workflow.viable_steps_discovered",
    "workflow.steps_execution_started",
];
const NEXT_ROUND: [&str; 3] = [
    "workflow.steps_execution_completed",
    "workflow.viable_steps_discovered",
    "workflow.steps_execution_started",
];

fn one<'a>(events: &'a [Event], identifier: &str) -> &'a Value {
    let mut found = events.iter().filter(|event| event.identifier == identifier);
    let event = found.next().expect(identifier);
    assert!(found.next().is_none(), "{identifier} comes twice");
    &event.payload
}

fn all<'a>(events: &'a [Event], identifier: &str) -> Vec<&'a Value> {
    let found = events.iter().filter(|event| event.identifier == identifier);
    found.map(|event| &event.payload).collect()
}

fn ending(end: [&'static str; 2], viable: bool) -> Vec<&'static str> {
    let mut ending = vec!["workflow.steps_execution_completed"];
    if viable {
        ending.push("workflow.no_viable_steps");
    }
    ending.push("workflow.task_finalization_started");
    ending.extend(end);
    ending.push("workflow.task_finalization_completed");
    ending
}

#[tokio::test]
async fn a_run_is_told_once_in_the_order_of_the_rails_engine() {
    let mut engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["c"])];
    let task = engine.submit("shape", steps).await;
    engine.run_to_the_end().await;
    let mut feed = feed(&engine, |_| {}).await;
    let events = read(&mut feed).await;
    let end = ["task.before_transition", "task.completed"];
    let expected = [&BEGINNING[..], &NEXT_ROUND, &NEXT_ROUND, &ending(end, true)].concat();
    assert_eq!(identifiers(&events), expected);
    let ids: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len());
    assert_eq!(read(&mut feed).await, []);

    let rounds = all(&events, "workflow.viable_steps_discovered");
    let names: Vec<&Value> = rounds.iter().map(|round| &round["step_names"]).collect();
    assert_eq!(names, [&json!(["a", "b"]), &json!(["c"]), &json!(["d"])]);
    assert_eq!(rounds[0]["step_ids"].as_array().unwrap().len(), 2);
    let completed = all(&events, "workflow.steps_execution_completed");
    assert_eq!(completed[0]["processed_count"], 2);
    assert_eq!(completed[0]["successful_count"], 2);

    let created = &events[0].payload;
    assert_eq!(created["step_count"], 4);
    assert_eq!(created["pending_steps"], 4);
    assert_eq!(created["task_context"], json!({"n": 1}));
    let done = one(&events, "task.completed");
    assert_eq!(
        (&done["completed_steps"], &done["failed_steps"]),
        (&json!(4), &json!(0))
    );
    assert_eq!(
        (&done["from_state"], &done["to_state"]),
        (&json!("in_progress"), &json!("complete"))
    );
    let last = events.last().unwrap();
    assert_eq!(last.payload["final_status"], "complete");
    assert_eq!(last.payload["execution_status"], "all_complete");
    let whose = (
        last.task_id,
        &*last.namespace,
        &*last.task_name,
        &*last.task_version,
    );
    assert_eq!(whose, (task.task_id, "tests", "shape", "1.0.0"));
}

#[tokio::test]
async fn a_retry_is_told_as_the_tasks_return_and_the_workers_own_failure_is_not_told_again() {
    let mut engine = Engine::new().await;
    engine.submit("single", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    engine.fail(attempt, StepError::retryable("busy")).await;
    let mut feed = feed(&engine, |_| {}).await;
    let events = read(&mut feed).await;
    let waits = [
        "workflow.steps_execution_completed",
        "workflow.task_reenqueue_started",
        "workflow.task_reenqueue_delayed",
    ];
    assert_eq!(identifiers(&events), [&BEGINNING[..], &waits].concat());
    let delayed = one(&events, "workflow.task_reenqueue_delayed");
    assert_eq!(delayed["delay_seconds"], 0.01);
    assert_eq!(delayed["reason"], "retry_backoff");
    let ended = one(&events, "workflow.steps_execution_completed");
    assert_eq!(
        (&ended["processed_count"], &ended["successful_count"]),
        (&json!(1), &json!(0))
    );

    engine.make_due().await;
    engine.sweep().await;
    let attempt = engine.claim_one().await;
    engine.fail(attempt, StepError::permanent("no card")).await;
    let events = read(&mut feed).await;
    let again = [
        "step.retry_requested",
        "workflow.viable_steps_discovered",
        "workflow.steps_execution_started",
    ];
    let end = ending(["task.before_transition", "task.failed"], false);
    assert_eq!(identifiers(&events), [&again[..], &end].concat());
    let failed = one(&events, "task.failed");
    assert_eq!(failed["error_message"], "step only failed: no card");
    assert_eq!(failed["error_steps"][0]["step_name"], "only");
    assert_eq!(failed["health_status"], "blocked");
}

#[tokio::test]
async fn an_attempt_that_its_worker_cannot_tell_of_is_told() {
    let mut engine = Engine::new().await;
    engine.submit("single", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    engine.expire(attempt).await;
    engine.sweep().await;
    engine.make_due().await;
    engine.sweep().await;
    let attempt = engine.claim_one().await;
    engine
        .report(vec![failure(
            attempt,
            StepError::timeout(Duration::from_secs(5)),
        )])
        .await;
    let mut feed = feed(&engine, |options| {
        let names = [
            "step.failed",
            "workflow.task_reenqueue_requested",
            "workflow.task_reenqueue_delayed",
        ];
        options.events = Some(names.map(str::to_owned).to_vec());
    })
    .await;
    let events = read(&mut feed).await;
    let expected = [
        "step.failed",
        "workflow.task_reenqueue_requested",
        "step.failed",
        "workflow.task_reenqueue_delayed",
    ];
    assert_eq!(identifiers(&events), expected);
    let failed = all(&events, "step.failed");
    assert_eq!(failed[0]["attempt_number"], 1);
    assert_eq!(failed[1]["attempt_number"], 2);
    assert_eq!(failed[0]["step_name"], "only");
    assert!(
        failed[0]["error_message"]
            .as_str()
            .unwrap()
            .contains("lease"),
        "{}",
        failed[0]
    );
}

#[tokio::test]
async fn what_an_operator_does_is_told() {
    let mut engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["b"]), ("d", &["c"])];
    let task = engine.submit("shape", steps).await.task_id;
    let mut feed = feed(&engine, |_| {}).await;
    read(&mut feed).await;
    let ids = engine.steps(task).await;
    let request = OperatorRequest {
        reason: Some("not needed".to_owned()),
        operator: None,
    };
    operate::cancel_step(&engine.store, task, ids["d"].step_id, &request)
        .await
        .unwrap();
    let events = read(&mut feed).await;
    assert_eq!(identifiers(&events), ["step.cancelled"]);
    assert_eq!(events[0].payload["cancellation_reason"], "not needed");

    for claimed in engine.claim(2).await {
        let bad = engine.name_of(&claimed.attempt).await == "b";
        let report = if bad {
            failure(claimed.attempt, StepError::permanent("no"))
        } else {
            success(claimed.attempt, json!({}))
        };
        engine.report(vec![report]).await;
    }
    let end = ending(["task.before_transition", "task.failed"], false);
    assert_eq!(identifiers(&read(&mut feed).await), end);

    operate::retry_task(&engine.store, task, &request)
        .await
        .unwrap();
    let events = read(&mut feed).await;
    let revived = [
        "task.before_transition",
        "task.retry_requested",
        "task.before_transition",
        "task.start_requested",
        "workflow.task_started",
        "step.retry_requested",
        "workflow.viable_steps_discovered",
        "workflow.steps_execution_started",
    ];
    assert_eq!(identifiers(&events), revived);
    let attempt = engine.claim_one().await;
    engine.fail(attempt, StepError::permanent("no")).await;
    read(&mut feed).await;

    let resolve = ResolveRequest {
        results: json!({}),
        reason: None,
        operator: None,
    };
    operate::resolve_step(&engine.store, task, ids["b"].step_id, &resolve)
        .await
        .unwrap();
    let events = read(&mut feed).await;
    let resolved = [&revived[..5], &["step.resolved_manually"], &revived[6..]].concat();
    assert_eq!(identifiers(&events), resolved);
    let rounds = all(&events, "workflow.viable_steps_discovered");
    assert_eq!(rounds[0]["step_names"], json!(["c"]));

    engine.run_to_the_end().await;
    let events = read(&mut feed).await;
    assert_eq!(
        identifiers(&events),
        ending(["task.before_transition", "task.cancelled"], true)
    );
}

#[tokio::test]
async fn a_cancelled_task_is_told_to_its_end() {
    let engine = Engine::new().await;
    let task = engine
        .submit("chain", &[("a", &[]), ("b", &["a"])])
        .await
        .task_id;
    let mut feed = feed(&engine, |_| {}).await;
    read(&mut feed).await;
    operate::cancel_task(&engine.store, task, &OperatorRequest::default())
        .await
        .unwrap();
    let events = read(&mut feed).await;
    assert_eq!(all(&events, "step.cancelled").len(), 2);
    let end = ending(["task.before_transition", "task.cancelled"], true);
    assert_eq!(identifiers(&events)[3..], end[1..]);
    let ended = one(&events, "workflow.steps_execution_completed");
    assert_eq!(ended["processed_count"], 0);
}

#[tokio::test]
async fn only_what_is_wanted_is_told() {
    let mut engine = Engine::new().await;
    engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    engine.run_to_the_end().await;
    for identifier in IDENTIFIERS {
        let mut feed = feed(&engine, |options| {
            options.name = (*identifier).to_owned();
            options.events = Some(vec![(*identifier).to_owned()]);
        })
        .await;
        let events = read(&mut feed).await;
        assert!(events.iter().all(|event| event.identifier == *identifier));
    }
}
