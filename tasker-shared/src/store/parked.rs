//! Steps that came to workers without their handler, lately.
//!
//! A worker cannot see a step's handler before it has claimed it. Where several workers
//! share a namespace and not all of them have every handler, a step may have to be offered a
//! few times: soon at first, for the next worker probably has it, and then more and more
//! rarely, for it may be that none has.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a step that was not offered again is remembered: well beyond the longest
/// pause between two offers.
const MEMORY: Duration = Duration::from_secs(30);

/// Steps to remember. Those beyond them wait for the longest pause at once: when so many
/// have no worker, it is not by chance.
const MOST: usize = 4_096;

/// How often each of them was offered in vain.
#[derive(Debug, Default)]
pub(super) struct Parked {
    offers: HashMap<i64, (u32, Instant)>,
    /// When those that are gone were looked for last.
    swept: Option<Instant>,
}

impl Parked {
    /// Counts an offer of a step that was in vain; how many there were lately.
    pub(super) fn count(&mut self, step: i64, now: Instant) -> u32 {
        if self.offers.len() >= MOST && !self.offers.contains_key(&step) {
            self.forget(now);
            if self.offers.len() >= MOST {
                return u32::MAX;
            }
        }
        let (offers, last) = self.offers.entry(step).or_insert((0, now));
        if now.duration_since(*last) > MEMORY {
            *offers = 0;
        }
        *offers = offers.saturating_add(1);
        *last = now;
        *offers
    }

    /// Forgets what is long ago; a walk over all, so not more often than it can help.
    fn forget(&mut self, now: Instant) {
        let lately = |since: &Instant| now.duration_since(*since) <= MEMORY;
        if self.swept.as_ref().is_some_and(lately) {
            return;
        }
        self.offers.retain(|_, (_, last)| lately(last));
        self.swept = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_counted_for_each_step_and_begin_anew_after_a_while() {
        let (mut parked, now) = (Parked::default(), Instant::now());
        assert_eq!(
            [7, 7, 8, 7].map(|step| parked.count(step, now)),
            [1, 2, 1, 3]
        );
        let later = now + MEMORY;
        assert_eq!(parked.count(7, later), 4);
        assert_eq!(
            parked.count(7, later + MEMORY + Duration::from_millis(1)),
            1
        );
    }

    #[test]
    fn of_a_crowd_some_are_remembered_until_they_are_gone() {
        let (mut parked, now) = (Parked::default(), Instant::now());
        let crowd = MOST as i64 * 2;
        let counts = (0..crowd).map(|step| parked.count(step, now));
        assert_eq!(counts.filter(|count| *count == u32::MAX).count(), MOST);
        assert_eq!(parked.count(0, now), 2);
        let later = now + MEMORY + Duration::from_millis(1);
        assert_eq!(parked.count(crowd, later), 1);
        assert_eq!(parked.offers.len(), 1);
    }
}
