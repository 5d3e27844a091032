//! What an operator does to running work, by REST.

use serde_json::json;
use tasker_client::ClientError;
use tasker_shared::domain::State;
use tasker_shared::wire::{OperatorRequest, ResolveRequest, StepView};
use tasker_testkit::eventually;

use crate::site::{complete, ended, failure_kinds, running, states, step, submit, Site, PATIENCE};
use crate::templates::{nap, register, register_shipped, template};

pub(crate) fn by_anna() -> OperatorRequest {
    OperatorRequest {
        reason: Some("asked to".to_owned()),
        operator: Some("anna".to_owned()),
    }
}

/// The code of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, String) {
    match answer.unwrap_err() {
        ClientError::Problem { problem, .. } => (problem.status, problem.code),
        other => panic!("{other:?}"),
    }
}

fn path(step: &StepView) -> Vec<&str> {
    step.transitions
        .iter()
        .flatten()
        .map(|transition| transition.to_state.as_str())
        .collect()
}

const HOUR_MS: u64 = 3_600_000;

#[tokio::test]
async fn a_cancelled_task_is_over_at_once_and_its_running_handler_is_told() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let worker = site.worker().await;
    let client = &orchestrator.client;
    register(client, &nap("long", HOUR_MS)).await;
    let task = submit(client, "it/long", json!({})).await;
    running(client, task, "nap").await;
    let cancelled = client.cancel_task(task, &by_anna()).await.unwrap();
    assert_eq!(cancelled.state, State::Cancelled);
    worker.empty_handed().await;
    let nap = step(client, task, "nap").await;
    assert_eq!(
        (nap.state, path(&nap)),
        (State::Cancelled, vec!["in_progress", "cancelled"])
    );
    let last = nap.transitions.as_ref().unwrap().last().unwrap();
    assert_eq!(
        last.metadata,
        json!({"action": "cancel", "reason": "asked to", "operator": "anna"})
    );
    assert_eq!(failure_kinds(&nap), []);
    assert_eq!(
        refusal(client.cancel_task(task, &by_anna()).await),
        (409, "TSK-2002".to_owned())
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn cancelling_a_step_ends_it_and_what_depends_on_it_and_nothing_else() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let worker = site.worker().await;
    let client = &orchestrator.client;
    let steps = [
        "name: long, handler_class: Bench::Sleep, handler_config: {ms: 3600000}",
        "name: after, depends_on_step: long, handler_class: Bench::Noop",
        "name: brief, handler_class: Bench::Sleep, handler_config: {ms: 500}",
        "name: then, depends_on_step: brief, handler_class: Bench::Noop",
    ];
    register(client, &template("two_branches", &steps)).await;
    let task = submit(client, "it/two_branches", json!({})).await;
    let long = running(client, task, "long").await;
    client
        .cancel_step(task, long.step_id, &by_anna())
        .await
        .unwrap();
    assert_eq!(ended(client, task).await.state, State::Cancelled);
    worker.empty_handed().await;
    let expected = [
        ("long", State::Cancelled),
        ("after", State::Pending),
        ("brief", State::Complete),
        ("then", State::Complete),
    ];
    assert_eq!(
        states(client, task).await,
        expected.map(|(name, state)| (name.to_owned(), state))
    );
    assert_eq!(
        client.explain(task).await.unwrap().steps[0].waiting_on,
        ["long"]
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn a_cancelled_step_that_had_not_begun_never_begins() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    let steps = [
        "name: first, handler_class: Bench::Noop",
        "name: second, depends_on_step: first, handler_class: Bench::Noop",
        "name: third, depends_on_step: first, handler_class: Bench::Noop",
        "name: last, depends_on_steps: [second, third], handler_class: Bench::Noop",
    ];
    register(client, &template("diamond", &steps)).await;
    let task = submit(client, "it/diamond", json!({})).await;
    let second = step(client, task, "second").await;
    client
        .cancel_step(task, second.step_id, &by_anna())
        .await
        .unwrap();
    let _worker = site.worker().await;
    assert_eq!(ended(client, task).await.state, State::Cancelled);
    let attempts: Vec<i32> = client
        .steps(task)
        .await
        .unwrap()
        .iter()
        .map(|step| step.attempts)
        .collect();
    assert_eq!(attempts, [1, 0, 1, 0]);
    site.assert_sound().await;
}

#[tokio::test]
async fn a_retried_step_counts_its_attempts_anew_and_its_past_stays() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    let steps = [
        "name: fails, handler_class: Examples::FailTimes, handler_config: {times: 2}, default_retry_limit: 2, \
         retry: {backoff: fixed, base_ms: 20, max_ms: 20, jitter: false}",
        "name: after, depends_on_step: fails, handler_class: Bench::Noop",
    ];
    register(client, &template("fails", &steps)).await;
    let task = submit(client, "it/fails", json!({})).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let fails = step(client, task, "fails").await;
    assert_eq!(
        (fails.attempts, failure_kinds(&fails)),
        (2, vec![(1, "retryable"), (2, "retryable")])
    );
    let past = fails.transitions.clone().unwrap().len();

    client
        .retry_step(task, fails.step_id, &by_anna())
        .await
        .unwrap();
    let twice = [
        (1, "retryable"),
        (2, "retryable"),
        (1, "retryable"),
        (2, "retryable"),
    ];
    let probe = || async {
        let fails = step(client, task, "fails").await;
        (failure_kinds(&fails) == twice).then_some(fails)
    };
    let again = eventually("the retried step has failed twice more", PATIENCE, probe).await;
    assert_eq!(again.attempts, 2);
    let kept: Vec<_> = again
        .transitions
        .as_ref()
        .unwrap()
        .iter()
        .take(past)
        .map(|t| (&t.to_state, t.sort_key))
        .collect();
    assert_eq!(
        kept,
        fails
            .transitions
            .iter()
            .flatten()
            .map(|t| (&t.to_state, t.sort_key))
            .collect::<Vec<_>>()
    );
    assert_eq!(ended(client, task).await.state, State::Error);
    site.assert_sound().await;
}

#[tokio::test]
async fn a_step_that_backs_off_can_be_run_at_once() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    // The first attempt asks for an hour; a retry of the first attempt fails the
    // same way, so the count of failures shows that it ran.
    let fails = "name: fails, handler_class: Examples::FailTimes, handler_config: {times: 9, retry_after_ms: 3600000}";
    register(client, &template("patient", &[fails])).await;
    let task = submit(client, "it/patient", json!({})).await;
    let failures = |least: usize| async move {
        let probe = || async {
            let step = step(client, task, "fails").await;
            let failed = failure_kinds(&step).len() >= least;
            (failed && step.next_attempt_at.is_some()).then_some(step)
        };
        eventually("the step backs off", PATIENCE, probe).await
    };
    let first = failures(1).await;
    client
        .retry_step(task, first.step_id, &by_anna())
        .await
        .unwrap();
    assert_eq!(
        failure_kinds(&failures(2).await),
        [(1, "retryable"), (1, "retryable")]
    );
    client.cancel_task(task, &by_anna()).await.unwrap();
    site.assert_sound().await;
}

#[tokio::test]
async fn children_read_the_results_a_step_was_resolved_with() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    let steps = [
        "name: refuses, handler_class: Examples::FailPermanently, handler_config: {}",
        "name: adds, depends_on_step: refuses, handler_class: Examples::Add, handler_config: {add: 2}",
    ];
    register(client, &template("resolved", &steps)).await;
    let task = submit(client, "it/resolved", json!({})).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let refuses = step(client, task, "refuses").await;
    let results = json!({"value": 40, "parents": {}});
    let request = ResolveRequest {
        results: results.clone(),
        ..ResolveRequest::default()
    };
    let resolved = client
        .resolve_step(task, refuses.step_id, &request)
        .await
        .unwrap();
    assert_eq!(
        (resolved.state, resolved.results),
        (State::ResolvedManually, results)
    );
    complete(client, &[task]).await;
    assert_eq!(step(client, task, "adds").await.results["value"], 42);
    site.assert_sound().await;
}

#[tokio::test]
async fn resolving_the_step_that_refused_sees_the_shipped_example_through() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    register_shipped(client, "examples/05_failures").await;
    let task = submit(client, "examples/05_failures", json!({})).await;
    ended(client, task).await;
    let refuses = step(client, task, "refuses").await;
    client
        .resolve_step(task, refuses.step_id, &ResolveRequest::default())
        .await
        .unwrap();
    complete(client, &[task]).await;
    let trail = client
        .task(
            task,
            tasker_client::Include {
                steps: false,
                transitions: true,
            },
        )
        .await
        .unwrap();
    let of_task: Vec<_> = trail
        .transitions
        .iter()
        .flatten()
        .filter(|t| t.step_id.is_none())
        .collect();
    let path: Vec<&str> = of_task.iter().map(|t| t.to_state.as_str()).collect();
    assert_eq!(path.last(), Some(&"complete"), "{path:?}");
    assert!(path.contains(&"error"), "{path:?}");
    site.assert_sound().await;
}
