//! How far apart wakes are sent.
//!
//! Under load wakes are sent an interval apart, and each then stands for many. A few
//! may go ahead of that: a lone chain needs one every two milliseconds, and the timer
//! would round each wait up by another one. This is the generic cell rate algorithm
//! (ITU-T I.371): it remembers one moment, the one at which all that was sent would
//! have been sent at the even rate.

use std::time::{Duration, Instant};

/// Wakes that may go ahead of the even rate.
const AHEAD: u32 = 2;

#[derive(Debug)]
pub(super) struct Spacing {
    interval: Duration,
    /// When the next wake is due at the even rate.
    due: Option<Instant>,
}

impl Spacing {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: None,
        }
    }

    /// How long a wake that is wanted `now` has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let early = self
            .due
            .map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        early.saturating_sub(self.interval * AHEAD)
    }

    /// Notes that one is sent `now`.
    pub(super) fn sent(&mut self, now: Instant) {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::{Spacing, AHEAD};
    use std::time::{Duration, Instant};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_lone_chain_never_waits() {
        let (mut spacing, mut now) = (Spacing::new(2 * MS), Instant::now());
        for _ in 0..1000 {
            assert_eq!(spacing.wait(now), Duration::ZERO);
            spacing.sent(now);
            now += 2 * MS;
        }
    }

    #[test]
    fn many_are_an_interval_apart_after_the_first_few() {
        let (mut spacing, start) = (Spacing::new(2 * MS), Instant::now());
        let mut now = start;
        for _ in 0..100 {
            now += spacing.wait(now);
            spacing.sent(now);
        }
        assert_eq!(now - start, (99 - AHEAD) * 2 * MS);
    }

    #[test]
    fn a_pause_lets_a_few_go_ahead_again_and_no_more() {
        let (mut spacing, mut now) = (Spacing::new(2 * MS), Instant::now());
        for _ in 0..50 {
            now += spacing.wait(now);
            spacing.sent(now);
        }
        now += Duration::from_secs(60);
        let waits = (0..AHEAD + 2).map(|_| {
            let wait = spacing.wait(now);
            spacing.sent(now);
            wait
        });
        let waited: Vec<bool> = waits.map(|wait| !wait.is_zero()).collect();
        let few = AHEAD as usize + 1;
        assert!(waited[..few].iter().all(|waited| !waited) && waited[few]);
    }
}
