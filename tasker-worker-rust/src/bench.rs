//! Steps that do next to nothing, for measuring the engine and for tests of it.
//!
//! - `Bench::Noop`, also known as `noop`, answers `{}` at once.
//! - `Bench::Clock` answers `{"at_us": n}`, the time of its call in microseconds since
//!   1970, so that the way from one handler to the next can be measured.
//! - `Bench::Payload` answers `{"payload": text}`, a text of `bytes` characters of its
//!   `handler_config`; it looks random, so that no compression makes it small.
//! - `Bench::Sleep` answers `{"slept_ms": n}` after `ms` milliseconds of its
//!   `handler_config`, or fails retryably as soon as it is cancelled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{HandlerRegistry, StepContext};

use crate::input;

pub(crate) fn handlers() -> HandlerRegistry {
    HandlerRegistry::new()
        .register_fn("Bench::Noop", |_| async { Ok(json!({})) })
        .register_fn("noop", |_| async { Ok(json!({})) })
        .register_fn("Bench::Clock", |_| async { Ok(json!({"at_us": now_us()})) })
        .register_fn("Bench::Payload", |step| async move { payload(&step) })
        .register_fn("Bench::Sleep", |step| async move { sleep(&step).await })
}

/// 0 on a machine whose clock stands before 1970.
fn now_us() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |time| time.as_micros() as u64)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadConfig {
    bytes: usize,
}

fn payload(step: &StepContext) -> Result<Value, StepError> {
    let PayloadConfig { bytes } = input::config(step)?;
    Ok(json!({ "payload": noise(bytes) }))
}

/// Letters, digits, `-` and `_` from Marsaglia's 64-bit xorshift generator; the same for
/// the same length.
fn noise(length: usize) -> String {
    const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let letters = (0..length).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[(state >> 58) as usize])
    });
    letters.collect()
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
    use std::collections::HashSet;

    use serde_json::json;

    use crate::testing::Step;

    #[tokio::test]
    async fn noop_answers_an_empty_object() {
        assert_eq!(Step::new("s").run("Bench::Noop").await, Ok(json!({})));
    }

    #[tokio::test]
    async fn clock_answers_one_number_of_microseconds() {
        let answer = Step::new("s").run("Bench::Clock").await.unwrap();
        let fields = answer.as_object().unwrap();
        assert!(
            fields.len() == 1 && fields["at_us"].as_u64().is_some_and(|us| us > 0),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn payload_answers_a_text_of_the_size_asked_for_that_does_not_repeat_itself() {
        let answer = Step::new("s")
            .config(json!({"bytes": 1000}))
            .run("Bench::Payload")
            .await
            .unwrap();
        let text = answer["payload"].as_str().unwrap();
        let quarters: HashSet<&[u8]> = text.as_bytes().chunks(4).collect();
        assert_eq!((text.len(), quarters.len()), (1000, 250));
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
