//! Steps that fail on purpose, to show and to test what becomes of failures.
//!
//! - `Examples::FailTimes` fails retryably in the first `times` attempts of its
//!   `handler_config` and then answers `{"attempt": n}`. With `retry_after_ms`
//!   it also asks for that pause. It goes by the attempt number and remembers
//!   nothing, so it behaves the same on any worker.
//! - `Examples::FailPermanently` refuses for good, with `message` of its
//!   `handler_config` if there is one.
//! - `Examples::Panic` panics; in the first `times` attempts only, if given.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{HandlerRegistry, StepContext};

use crate::input;

pub(crate) fn handlers() -> HandlerRegistry {
    HandlerRegistry::new()
        .register_fn(
            "Examples::FailTimes",
            |step| async move { fail_times(&step) },
        )
        .register_fn("Examples::FailPermanently", |step| async move {
            fail_permanently(&step)
        })
        .register_fn("Examples::Panic", |step| async move { panic_times(&step) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailTimesConfig {
    times: i32,
    retry_after_ms: Option<u64>,
}

fn fail_times(step: &StepContext) -> Result<Value, StepError> {
    let config: FailTimesConfig = input::config(step)?;
    let attempt = step.attempt();
    if attempt > config.times {
        return Ok(json!({ "attempt": attempt }));
    }
    let message = format!(
        "attempt {attempt} fails, as do all of the first {}",
        config.times
    );
    let error = match config.retry_after_ms {
        Some(ms) => StepError::retryable_after(message, Duration::from_millis(ms)),
        None => StepError::retryable(message),
    };
    Err(error
        .with_code("FAILED_ON_PURPOSE")
        .with_context(json!({ "attempt": attempt })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailPermanentlyConfig {
    message: Option<String>,
}

fn fail_permanently(step: &StepContext) -> Result<Value, StepError> {
    let config: FailPermanentlyConfig = input::config(step)?;
    let message = config
        .message
        .unwrap_or_else(|| "this step always refuses".to_owned());
    Err(StepError::permanent(message).with_code("REFUSED_ON_PURPOSE"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PanicConfig {
    times: Option<i32>,
}

fn panic_times(step: &StepContext) -> Result<Value, StepError> {
    let config: PanicConfig = input::config(step)?;
    let attempt = step.attempt();
    assert!(
        config.times.is_some_and(|times| attempt > times),
        "attempt {attempt} panics on purpose"
    );
    Ok(json!({ "attempt": attempt }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tasker_shared::domain::FailureKind;

    use crate::testing::Step;

    #[tokio::test]
    async fn fail_times_fails_so_often_and_then_succeeds() {
        let step = |attempt| Step::new("s").config(json!({"times": 2})).attempt(attempt);
        for attempt in [1, 2] {
            let error = step(attempt).run("Examples::FailTimes").await.unwrap_err();
            assert_eq!(
                (error.kind, error.retry_after_ms),
                (FailureKind::Retryable, None)
            );
        }
        assert_eq!(
            step(3).run("Examples::FailTimes").await,
            Ok(json!({"attempt": 3}))
        );
    }

    #[tokio::test]
    async fn fail_times_asks_for_the_pause_it_is_told() {
        let step = Step::new("s").config(json!({"times": 1, "retry_after_ms": 250}));
        let error = step.run("Examples::FailTimes").await.unwrap_err();
        assert_eq!(error.retry_after_ms, Some(250));
    }

    #[tokio::test]
    async fn fail_permanently_refuses_for_good() {
        let step = Step::new("s").config(json!({"message": "no such account"}));
        let error = step.run("Examples::FailPermanently").await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (FailureKind::Permanent, "no such account")
        );
    }

    #[tokio::test]
    #[should_panic(expected = "attempt 1 panics on purpose")]
    async fn panic_panics() {
        let _ = Step::new("s").run("Examples::Panic").await;
    }

    #[tokio::test]
    async fn panic_succeeds_after_the_times_it_is_told() {
        let step = Step::new("s").config(json!({"times": 1})).attempt(2);
        assert_eq!(step.run("Examples::Panic").await, Ok(json!({"attempt": 2})));
    }
}
