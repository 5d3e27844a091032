//! What may happen to a step in a storm.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::Rng as _;
use serde_json::json;
use tasker_shared::config::Audit;
use tasker_shared::domain::{Backoff, FailureKind, Outcome, RetryPolicy, StepError, Template};
use tasker_shared::store::Attempt;

/// The Rails engine waits `min(2^attempts, 30)` seconds after a failure.
pub(super) const AS_RAILS: RetryPolicy = RetryPolicy {
    backoff: Backoff::Exponential,
    base_ms: 2_000,
    max_ms: 30_000,
    jitter: false,
};
/// Enough attempts for two of the longest pauses.
pub(super) const RETRY_LIMIT: i32 = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Events {
    /// What both engines understand alike.
    Common,
    /// Every outcome, any policy, workers that vanish.
    All,
}

impl Events {
    /// Gives the steps policies: the pauses of Rails, or any.
    pub(super) fn policies(self, mut template: Template, rng: &mut StdRng) -> Template {
        for step in &mut template.steps {
            (step.retry, step.retry_limit) = (AS_RAILS, RETRY_LIMIT);
            if self == Self::All {
                step.retry = RetryPolicy {
                    base_ms: rng.random_range(0..20_000),
                    jitter: rng.random_bool(0.5),
                    ..AS_RAILS
                };
                step.retry_limit = rng.random_range(1..5);
                step.retryable = rng.random_bool(0.9);
            }
        }
        template
    }

    /// How an attempt ends; none is a worker that vanishes.
    pub(super) fn outcome(
        self,
        rng: &mut StdRng,
        attempt: Attempt,
        audit: Audit,
    ) -> Option<Outcome> {
        match self {
            Self::Common => Some(common(rng, attempt, audit)),
            Self::All => any(rng),
        }
    }
}

fn success() -> Outcome {
    let results = json!("random");
    Outcome::Success { results }
}

fn common(rng: &mut StdRng, attempt: Attempt, audit: Audit) -> Outcome {
    let kind = match rng.random_range(0..20) {
        0..=2 => FailureKind::Retryable,
        3 => FailureKind::Timeout,
        4 => FailureKind::Panic,
        5 => {
            // Exactly what Rails waits anyway.
            let seconds = 2_u64.pow(attempt.attempt.unsigned_abs()).min(30);
            let error = StepError::retryable_after("random", Duration::from_secs(seconds));
            return Outcome::Failure { error };
        }
        6 if attempt.attempt == 1 && audit == Audit::Folded => return Outcome::HandedBack,
        _ => return success(),
    };
    let error = StepError {
        kind,
        ..StepError::retryable("random")
    };
    Outcome::Failure { error }
}

fn any(rng: &mut StdRng) -> Option<Outcome> {
    let error = match rng.random_range(0..20) {
        0 => return None,
        1 => StepError::permanent("random"),
        2..=4 => StepError::retryable("random"),
        5 | 6 => {
            let delay = Duration::from_millis(rng.random_range(0..20_000));
            StepError::retryable_after("random", delay)
        }
        7 | 8 => return Some(Outcome::HandedBack),
        9 => {
            let handler_class = "Test::Handler".to_owned();
            return Some(Outcome::NoHandler { handler_class });
        }
        _ => return Some(success()),
    };
    Some(Outcome::Failure { error })
}
