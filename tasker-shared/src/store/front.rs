//! Where to begin reading a queue.
//!
//! Messages are read in the order of their ids and deleted when they are done. As long
//! as some transaction anywhere in the database is older than the deletions, what was
//! deleted stays in the index, and whoever reads from the front walks over all of it:
//! after two minutes of such a transaction that is a million entries for each claim.
//! So a reader remembers where it found something last and begins a little before it:
//! transactions that took their numbers early may commit late. What may appear further
//! ahead (a higher priority) is found by reading from the very front as well: after ten
//! times as long as that took the last time, so that it never costs more than a tenth
//! of the reader's time, and not more often than it is worth while the queue is sound.

use std::time::{Duration, Instant};

/// Share of the time that reading from the very front may take, as one in so many.
const PACE: u32 = 10;

/// Shortest time between two readings from the very front: without it, a lone step
/// would meet the reader at work for nothing.
const REST: Duration = Duration::from_millis(20);

/// How far before the last find to begin, in messages: as many as may be written by
/// transactions that are under way together.
const SLACK: i64 = 1_000;

/// Message ids of one priority differ in their lowest bits only; see `propagate.sql`.
const PRIORITY_SHIFT: u32 = 48;

/// The place of one reader in one queue.
#[derive(Debug, Default)]
pub(super) struct Front {
    /// Where something was found last.
    floor: Option<i64>,
    /// When to read from the very front again.
    due: Option<Instant>,
}

/// One reading of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The lowest message id to look at.
    pub(super) from: i64,
    since: Instant,
}

impl Front {
    /// Begins a reading.
    pub(super) fn begin(&self) -> Reading {
        let since = Instant::now();
        let from = match (self.floor, self.due) {
            (Some(floor), Some(due)) if since < due => floor - SLACK,
            _ => i64::MIN,
        };
        Reading { from, since }
    }

    /// Ends a reading that found the messages `found` and asked for `limit`. Says when
    /// to read again without a wake: at once if there may be more, later if only the
    /// part behind the floor was read, and `None` if everything was.
    pub(super) fn end(
        &mut self,
        reading: Reading,
        found: impl Iterator<Item = i64>,
        limit: usize,
    ) -> Option<Duration> {
        let now = Instant::now();
        let whole = reading.from == i64::MIN;
        if whole {
            self.due = Some(now + ((now - reading.since) * PACE).max(REST));
        }
        let mut count = 0;
        let mut floor: Option<i64> = None;
        for id in found {
            count += 1;
            // Of the lowest priority found: beginning at a higher one would be
            // beginning at the front of all that are lower.
            floor = Some(floor.map_or(id, |floor| first_of_lowest(floor, id)));
        }
        self.floor = floor.or(self.floor);
        if count >= limit {
            return Some(Duration::ZERO);
        }
        match self.due {
            Some(due) if !whole => Some(due.saturating_duration_since(now)),
            _ => None,
        }
    }
}

fn first_of_lowest(a: i64, b: i64) -> i64 {
    match (a >> PRIORITY_SHIFT).cmp(&(b >> PRIORITY_SHIFT)) {
        std::cmp::Ordering::Equal => a.min(b),
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Greater => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(front: &mut Front, found: &[i64], limit: usize) -> (i64, Option<Duration>) {
        let reading = front.begin();
        let again = front.end(reading, found.iter().copied(), limit);
        (reading.from, again)
    }

    /// As if the last whole reading had taken long.
    fn slow(front: &mut Front) {
        front.due = Some(Instant::now() + Duration::from_secs(60));
    }

    #[test]
    fn the_first_reading_is_whole_and_the_next_begins_where_something_was() {
        let mut front = Front::default();
        assert_eq!(read(&mut front, &[70, 50, 60], 10), (i64::MIN, None));
        slow(&mut front);
        let (from, again) = read(&mut front, &[], 10);
        assert_eq!(from, 50 - SLACK);
        assert!(again.is_some_and(|again| again > Duration::from_secs(50)));
    }

    #[test]
    fn a_full_hand_means_that_there_may_be_more() {
        let mut front = Front::default();
        assert_eq!(read(&mut front, &[1, 2], 2).1, Some(Duration::ZERO));
    }

    #[test]
    fn readings_are_whole_again_when_it_is_time() {
        let mut front = Front::default();
        read(&mut front, &[5], 10);
        front.due = Some(Instant::now());
        assert_eq!(read(&mut front, &[], 10), (i64::MIN, None));
    }

    #[test]
    fn the_floor_is_in_the_lowest_priority_found() {
        let urgent = |n: i64| n - (10_i64 << PRIORITY_SHIFT);
        let mut front = Front::default();
        read(&mut front, &[urgent(3), 8, 9, urgent(4)], 10);
        slow(&mut front);
        assert_eq!(front.begin().from, 8 - SLACK);
        read(&mut front, &[urgent(7), urgent(6)], 10);
        assert_eq!(front.begin().from, urgent(6) - SLACK);
    }
}
