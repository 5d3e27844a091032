//! How long a failed step waits before its next attempt.
//!
//! Owns the policy of one step and its arithmetic. When a step may be tried
//! again at all (`retry_limit`, `retryable`, the kind of failure) is decided
//! by the outcome rules, not here.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// Longest delay any policy may ask for: one day, in milliseconds.
pub const MAX_RETRY_DELAY_MS: u64 = 86_400_000;

/// How the delay grows with the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// base, 2 base, 4 base, ...
    #[default]
    Exponential,
    /// base, 2 base, 3 base, ...
    Linear,
    /// base each time
    Fixed,
}

/// Delay before the next attempt of a failed step. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    pub backoff: Backoff,
    pub base_ms: u64,
    pub max_ms: u64,
    /// Spread the retries of steps that failed together over the whole delay.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            backoff: Backoff::Exponential,
            base_ms: 1_000,
            max_ms: 300_000,
            jitter: true,
        }
    }
}

impl RetryPolicy {
    /// The longest delay after failed attempt number `attempt` (from 1).
    ///
    /// Saturates instead of overflowing, and never exceeds `max_ms`.
    pub fn ceiling_ms(&self, attempt: u32) -> u64 {
        let attempt = attempt.max(1);
        let grown = match self.backoff {
            Backoff::Fixed => self.base_ms,
            Backoff::Linear => self.base_ms.saturating_mul(u64::from(attempt)),
            Backoff::Exponential => {
                let factor = 1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX);
                self.base_ms.saturating_mul(factor)
            }
        };
        grown.min(self.max_ms)
    }

    /// The delay after failed attempt number `attempt` (from 1).
    ///
    /// With jitter it is drawn from the whole range 0 to the ceiling ("full
    /// jitter"): of the usual schemes the one that spreads a crowd best.
    pub fn delay_ms(&self, attempt: u32, rng: &mut impl Rng) -> u64 {
        let ceiling = self.ceiling_ms(attempt);
        if self.jitter {
            rng.random_range(0..=ceiling)
        } else {
            ceiling
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{rngs::StdRng, SeedableRng};

    use super::{Backoff, RetryPolicy, MAX_RETRY_DELAY_MS};

    fn policy(backoff: Backoff, base_ms: u64, max_ms: u64) -> RetryPolicy {
        RetryPolicy {
            backoff,
            base_ms,
            max_ms,
            jitter: false,
        }
    }

    #[test]
    fn each_backoff_grows_in_its_own_way_up_to_the_cap() {
        let delays = |backoff| -> Vec<u64> {
            let policy = policy(backoff, 100, 500);
            (1..=5).map(|attempt| policy.ceiling_ms(attempt)).collect()
        };
        assert_eq!(delays(Backoff::Exponential), [100, 200, 400, 500, 500]);
        assert_eq!(delays(Backoff::Linear), [100, 200, 300, 400, 500]);
        assert_eq!(delays(Backoff::Fixed), [100; 5]);
    }

    #[test]
    fn without_jitter_the_delay_is_the_ceiling() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(policy(Backoff::Fixed, 70, 500).delay_ms(9, &mut rng), 70);
    }

    #[test]
    fn the_default_survives_a_round_trip_and_fills_gaps() {
        let policy: RetryPolicy = serde_json::from_str("{\"backoff\":\"linear\"}").unwrap();
        assert_eq!(
            policy,
            RetryPolicy {
                backoff: Backoff::Linear,
                ..RetryPolicy::default()
            }
        );
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_the_cap_whatever_the_attempt(
            base_ms in any::<u64>(), max_ms in 0..=MAX_RETRY_DELAY_MS,
            attempt in any::<u32>(), seed in any::<u64>(), jitter in any::<bool>(),
            backoff in prop_oneof![Just(Backoff::Exponential), Just(Backoff::Linear), Just(Backoff::Fixed)],
        ) {
            let policy = RetryPolicy { backoff, base_ms, max_ms, jitter };
            let delay = policy.delay_ms(attempt, &mut StdRng::seed_from_u64(seed));
            prop_assert!(delay <= max_ms);
            prop_assert!(policy.ceiling_ms(attempt) <= policy.ceiling_ms(attempt.saturating_add(1)));
        }
    }
}
