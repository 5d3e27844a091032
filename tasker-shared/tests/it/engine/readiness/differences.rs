//! Where the two engines mean different things, and in which direction.

use std::time::Duration;

use tasker_shared::config::Audit;
use tasker_shared::domain::{Backoff, Outcome, RetryPolicy, StepError};
use tasker_shared::store::operate::cancel_task;
use tasker_shared::store::{templates, Attempt, Report};
use tasker_shared::wire::OperatorRequest;

use super::super::harness::{template, Engine};
use super::{pass, standings};

/// One step as both engines see it.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) name: String,
    /// Ready for this engine.
    pub(super) ours: bool,
    /// Ready for the Rails engine.
    pub(super) rails: bool,
    pub(super) state: String,
    pub(super) retryable: bool,
    /// Why it waits for a time here.
    pub(super) delay: Option<String>,
    /// What is left of a pause that was asked for, as Rails counts it, in milliseconds.
    pub(super) asked_ms: Option<i64>,
    /// The state of its task.
    pub(super) task: String,
}

/// Why a step may be ready for one engine alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Here the pause after a failure is what the policy says or the handler asked for,
    /// from the failure on. Rails waits 2, 4, 8, 16, 30 s, and no less than what was
    /// asked for, from the start of the attempt on. Either may be first.
    Pause,
    /// Here a step whose handler no worker has waits; Rails knows of no such wait.
    NoHandler,
    /// Rails goes on offering a step that failed while attempts are left. Here it is not
    /// offered after a permanent error, nor when its task was cancelled.
    GivenUp,
    /// Here a step that must not be repeated runs once; Rails never offers it.
    NotRetryable,
    /// A pause once asked for stays in the row, and Rails counts it from the start of
    /// whichever attempt was last.
    AskedBefore,
    /// With live audit a step that was handed back stays in progress, and Rails offers
    /// only what is pending or failed.
    HandedBack,
}

impl Standing {
    /// Whether its task is over.
    pub(super) fn over(&self) -> bool {
        self.task != "in_progress"
    }

    /// The difference this step is an example of, if the two differ on it and may.
    pub(super) fn difference(&self) -> Option<Difference> {
        let failed = self.state == "error";
        match (self.ours, self.rails, self.delay.as_deref()) {
            (true, false, Some("retry")) | (false, true, Some("retry")) => Some(Difference::Pause),
            (false, true, Some("no_handler")) => Some(Difference::NoHandler),
            (false, true, None) if failed => Some(Difference::GivenUp),
            (true, false, _) if !self.retryable => Some(Difference::NotRetryable),
            (true, false, _) if self.state == "in_progress" => Some(Difference::HandedBack),
            (true, false, _) if self.asked_ms > Some(0) => Some(Difference::AskedBefore),
            _ => None,
        }
    }
}

/// Whether step `a` is ready here and there.
async fn ready(engine: &Engine) -> (bool, bool) {
    let steps = standings(engine).await;
    let step = steps.iter().find(|step| step.name == "a").unwrap();
    (step.ours, step.rails)
}

/// An engine with one task of one step, `a`, and its fifth attempt under way: should it
/// fail, Rails waits 30 s.
async fn started(audit: Audit, retry: RetryPolicy) -> (Engine, Attempt) {
    let mut engine = Engine::with(|config| config.engine.audit = audit).await;
    let mut one = template("one", &[("a", &[])]);
    (one.steps[0].retry, one.steps[0].retry_limit) = (retry, 9);
    templates::register(&engine.store, &one).await.unwrap();
    engine.submit_again("one").await;
    sqlx::query("UPDATE tasker_workflow_steps SET attempts = 4")
        .execute(engine.store.pool())
        .await
        .unwrap();
    let attempt = engine.claim_one().await;
    assert_eq!(attempt.attempt, 5);
    (engine, attempt)
}

fn every(seconds: u64) -> RetryPolicy {
    RetryPolicy {
        backoff: Backoff::Fixed,
        base_ms: seconds * 1000,
        max_ms: seconds * 1000,
        jitter: false,
    }
}

fn asking(seconds: u64) -> StepError {
    StepError::retryable_after("x", Duration::from_secs(seconds))
}

async fn report(engine: &mut Engine, attempt: Attempt, outcome: Outcome) {
    let report = Report {
        attempt,
        outcome,
        stored: false,
    };
    assert_eq!(engine.report(vec![report]).await.applied, 1);
}

#[tokio::test]
async fn a_long_pause_is_over_for_rails_before_it_is_here() {
    let (mut engine, attempt) = started(Audit::Folded, every(200)).await;
    engine.fail(attempt, StepError::retryable("x")).await;
    assert_eq!(ready(&engine).await, (false, false));
    pass(&engine, 31.0).await;
    assert_eq!(ready(&engine).await, (false, true));
    pass(&engine, 170.0).await;
    assert_eq!(ready(&engine).await, (true, true));
}

#[tokio::test]
async fn a_short_pause_is_over_here_before_it_is_for_rails_until_the_timer_tells() {
    let (mut engine, attempt) = started(Audit::Folded, every(0)).await;
    engine.fail(attempt, StepError::retryable("x")).await;
    assert_eq!(ready(&engine).await, (true, false));
    engine.sweep().await;
    assert_eq!(ready(&engine).await, (true, true), "pending again for both");
}

#[tokio::test]
async fn a_lost_attempt_is_repeated_at_once_and_after_a_pause_for_rails() {
    let (mut engine, attempt) = started(Audit::Folded, every(200)).await;
    engine.expire(attempt).await;
    assert_eq!(ready(&engine).await, (false, false), "nobody has booked it");
    engine.sweep().await;
    assert_eq!(ready(&engine).await, (true, false));
    engine.sweep().await;
    assert_eq!(ready(&engine).await, (true, true));
}

#[tokio::test]
async fn a_pause_asked_for_counts_from_the_failure_and_for_rails_from_the_start() {
    let (mut engine, attempt) = started(Audit::Folded, every(0)).await;
    pass(&engine, 100.0).await;
    engine.fail(attempt, asking(200)).await;
    pass(&engine, 50.0).await;
    assert_eq!(ready(&engine).await, (false, false));
    pass(&engine, 60.0).await;
    assert_eq!(ready(&engine).await, (false, true));
    pass(&engine, 100.0).await;
    assert_eq!(ready(&engine).await, (true, true));
}

#[tokio::test]
async fn a_pause_once_asked_for_counts_for_rails_after_every_attempt() {
    let (mut engine, attempt) = started(Audit::Folded, every(0)).await;
    engine.fail(attempt, asking(200)).await;
    pass(&engine, 201.0).await;
    engine.sweep().await;
    assert_eq!(ready(&engine).await, (true, true));
    let next = engine.claim_one().await;
    report(&mut engine, next, Outcome::HandedBack).await;
    assert_eq!(ready(&engine).await, (true, false));
    pass(&engine, 201.0).await;
    assert_eq!(ready(&engine).await, (true, true));
    let next = engine.claim_one().await;
    engine.fail(next, StepError::retryable("x")).await;
    pass(&engine, 31.0).await;
    assert_eq!(ready(&engine).await, (true, false));
}

#[tokio::test]
async fn a_step_without_a_worker_waits_here_alone() {
    let (mut engine, attempt) = started(Audit::Folded, every(200)).await;
    let handler_class = "Test::Missing".to_owned();
    report(&mut engine, attempt, Outcome::NoHandler { handler_class }).await;
    assert_eq!(ready(&engine).await, (false, true));
    pass(&engine, 6.0).await;
    assert_eq!(ready(&engine).await, (true, true));
}

#[tokio::test]
async fn a_permanent_error_is_final_here_alone() {
    let mut engine = Engine::new().await;
    engine.submit("two", &[("a", &[]), ("b", &[])]).await;
    for step in engine.claim(2).await {
        if engine.name_of(&step.attempt).await == "a" {
            engine.fail(step.attempt, StepError::permanent("x")).await;
        }
    }
    pass(&engine, 3.0).await;
    assert_eq!(ready(&engine).await, (false, true));
    let steps = standings(&engine).await;
    assert!(steps.iter().all(|step| !step.over()), "`b` runs on");
}

#[tokio::test]
async fn a_step_that_waited_when_its_task_was_cancelled_is_offered_by_rails_alone() {
    let (mut engine, attempt) = started(Audit::Folded, every(20)).await;
    engine.fail(attempt, StepError::retryable("x")).await;
    let request = OperatorRequest::default();
    cancel_task(&engine.store, attempt.task_id, &request)
        .await
        .unwrap();
    pass(&engine, 31.0).await;
    assert_eq!(ready(&engine).await, (false, true));
}

#[tokio::test]
async fn a_step_that_must_not_be_repeated_runs_once_here_and_never_for_rails() {
    let mut engine = Engine::new().await;
    let mut one = template("one", &[("a", &[])]);
    one.steps[0].retryable = false;
    templates::register(&engine.store, &one).await.unwrap();
    engine.submit_again("one").await;
    assert_eq!(ready(&engine).await, (true, false));
    let attempt = engine.claim_one().await;
    engine.fail(attempt, StepError::retryable("x")).await;
    pass(&engine, 60.0).await;
    assert_eq!(ready(&engine).await, (false, false));
}

#[tokio::test]
async fn a_step_handed_back_is_ready_for_both_unless_its_start_was_written() {
    for (audit, rails) in [(Audit::Folded, true), (Audit::Live, false)] {
        let (mut engine, attempt) = started(audit, every(200)).await;
        report(&mut engine, attempt, Outcome::HandedBack).await;
        assert_eq!(ready(&engine).await, (true, rails), "{audit:?}");
    }
}
