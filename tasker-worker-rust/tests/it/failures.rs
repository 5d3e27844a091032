//! What becomes of handlers that take too long, panic, or ask for a pause.

use serde_json::json;
use tasker_shared::domain::State;

use crate::site::{complete, ended, failure_kinds, step, submit, Site};
use crate::templates::{register, template};

const AT_ONCE: &str = "retry: {backoff: fixed, base_ms: 10, max_ms: 10, jitter: false}";

#[tokio::test]
async fn a_handler_that_outlives_its_timeout_is_ended_retried_and_exhausted() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let worker = site.worker().await;
    let client = &orchestrator.client;
    let slow = format!(
        "name: slow, handler_class: Bench::Sleep, handler_config: {{ms: 3600000}}, timeout_seconds: 0.2, \
         default_retry_limit: 2, {AT_ONCE}"
    );
    register(
        client,
        &template(
            "slow",
            &[
                &slow,
                "name: after, depends_on_step: slow, handler_class: Bench::Noop",
            ],
        ),
    )
    .await;
    let task = submit(client, "it/slow", json!({})).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let slow = step(client, task, "slow").await;
    assert_eq!(
        (slow.attempts, failure_kinds(&slow)),
        (2, vec![(1, "timeout"), (2, "timeout")])
    );
    assert!(
        slow.results["error"].as_str().unwrap().contains("0.2 s"),
        "{}",
        slow.results
    );
    assert_eq!(step(client, task, "after").await.attempts, 0);
    worker.empty_handed().await;
    site.assert_sound().await;
}

#[tokio::test]
async fn a_panic_fails_the_attempt_and_not_the_worker() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut worker = site.worker().await;
    let client = &orchestrator.client;
    let once = format!(
        "name: once, handler_class: Examples::Panic, handler_config: {{times: 1}}, {AT_ONCE}"
    );
    let always = format!("name: always, handler_class: Examples::Panic, handler_config: {{}}, default_retry_limit: 2, {AT_ONCE}");
    register(client, &template("panics", &[&once, &always])).await;
    let task = submit(client, "it/panics", json!({})).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let once = step(client, task, "once").await;
    assert_eq!(
        (once.state, failure_kinds(&once)),
        (State::Complete, vec![(1, "panic")])
    );
    let always = step(client, task, "always").await;
    assert_eq!(
        (always.state, failure_kinds(&always)),
        (State::Error, vec![(1, "panic"), (2, "panic")])
    );
    assert!(worker.process.is_running());
    worker.ready_answers(200).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn a_delay_the_handler_asks_for_is_kept() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    let polite = "name: polite, handler_class: Examples::FailTimes, handler_config: {times: 1, retry_after_ms: 1500}";
    register(client, &template("polite", &[polite])).await;
    let task = submit(client, "it/polite", json!({})).await;
    complete(client, &[task]).await;
    let polite = step(client, task, "polite").await;
    let failed_at = polite.failures.as_ref().unwrap()[0].failed_at;
    let waited = polite.last_attempted_at.unwrap() - failed_at;
    assert!(waited.num_milliseconds() >= 1_500, "{waited}");
    site.assert_sound().await;
}
