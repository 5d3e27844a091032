//! Steps that do next to nothing, for measuring the engine and for tests of it.
//!
//! - `Bench::Noop`, also known as `noop`, answers `{}` at once.
//! - `Bench::Sleep` answers `{"slept_ms": n}` after `ms` milliseconds of its
//!   `handler_config`, or fails retryably as soon as it is cancelled.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{HandlerRegistry, StepContext};

use crate::input;

pub(crate) fn handlers() -> HandlerRegistry {
    HandlerRegistry::new()
        .register_fn("Bench::Noop", |_| async { Ok(json!({})) })
        .register_fn("noop", |_| async { Ok(json!({})) })
        .register_fn("Bench::Sleep", |step| async move { sleep(&step).await })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SleepConfig {
    ms: u64,
}

async fn sleep(step: &StepContext) -> Result<Value, StepError> {
    let SleepConfig { ms } = input::config(step)?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(json!({ "slept_ms": ms })),
        () = step.cancelled() => Err(StepError::retryable("cancelled while asleep").with_code("CANCELLED")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Step;

    #[tokio::test]
    async fn noop_answers_an_empty_object() {
        assert_eq!(Step::new("s").run("Bench::Noop").await, Ok(json!({})));
    }

    #[tokio::test]
    async fn sleep_answers_when_its_time_is_up() {
        let slept = Step::new("s")
            .config(json!({"ms": 0}))
            .run("Bench::Sleep")
            .await;
        assert_eq!(slept, Ok(json!({"slept_ms": 0})));
    }

    #[tokio::test]
    async fn sleep_ends_at_once_when_cancelled() {
        let step = Step::new("s").config(json!({"ms": 3_600_000})).cancelled();
        let error = step.run("Bench::Sleep").await.unwrap_err();
        assert_eq!(error.error_code.as_deref(), Some("CANCELLED"));
    }

    #[tokio::test]
    async fn sleep_refuses_a_configuration_it_does_not_know() {
        let error = Step::new("s")
            .config(json!({"seconds": 1}))
            .run("Bench::Sleep")
            .await
            .unwrap_err();
        assert_eq!(error.error_code.as_deref(), Some("INVALID_CONFIG"));
    }
}
