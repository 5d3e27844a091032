//! How far a cursor has read one table of transitions.
//!
//! Ids come from a sequence and are drawn before their transactions commit: a lower id
//! may become visible after a higher one. So whatever is missing below the position is
//! kept as a gap and asked for again, until no transaction that could fill it is alive.
//! A transaction is numbered when it first writes, which may be a moment after it drew
//! an id: so the horizon of a gap is the next number at the look *after* the one that
//! noticed it, and the gap is closed when every number below the horizon has ended.
//!
//! INVARIANT: what a place remembers is bounded. Where there would be too many gaps it
//! stops at the first it cannot remember, until others are closed. A gap may be of any
//! size (a large batch that was rolled back); what appears in gaps is read in bounded
//! portions, and while there may be more of it nothing is closed and nothing goes on.

use serde::{Deserialize, Serialize};

/// Gaps that a cursor keeps.
const GAPS_MAX: usize = 1_000;

/// Missing ids, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    pub(super) first: i64,
    pub(super) last: i64,
    /// Whoever could fill it has a lower transaction number; none before the second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) horizon: Option<i64>,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: i64,
    pub(super) gaps: Vec<Gap>,
}

/// The snapshot of one look, in transaction numbers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Snapshot {
    /// All below have ended.
    pub(super) oldest: i64,
    /// The next one to be given out.
    pub(super) next: i64,
}

/// What one look has seen of a table.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Seen {
    /// The highest id, none if there was nothing behind the position.
    #[serde(skip)]
    pub(super) last: Option<i64>,
    /// How many rows behind the position; the look's limit, if there may be more.
    pub(super) rows: i64,
    /// Ids in gaps that have appeared.
    pub(super) late: Vec<i64>,
    /// There may be more of these.
    #[serde(skip)]
    pub(super) more_late: bool,
    /// What is missing between the position and the last id.
    pub(super) missing: Option<Vec<Gap>>,
}

impl Seen {
    /// Whether there may be rows behind the id `end`, when at most `limit` were read.
    pub(super) fn goes_beyond(&self, end: i64, limit: i64) -> bool {
        self.rows >= limit || self.last.is_some_and(|last| last > end)
    }
}

impl Place {
    /// First and last ids of the gaps.
    pub(super) fn bounds(&self) -> (Vec<i64>, Vec<i64>) {
        self.gaps.iter().map(|gap| (gap.first, gap.last)).unzip()
    }

    /// The place once everything that was seen up to the id `until` is handled. May end
    /// before that, where there is no room for more gaps.
    pub(super) fn after(&self, seen: &Seen, snapshot: Snapshot, until: Option<i64>) -> Self {
        let ended = |horizon: i64| horizon <= snapshot.oldest && !seen.more_late;
        let mut gaps: Vec<Gap> = self
            .gaps
            .iter()
            .flat_map(|gap| without(*gap, &seen.late))
            .filter(|gap| !gap.horizon.is_some_and(ended))
            .map(|gap| Gap {
                horizon: gap.horizon.or(Some(snapshot.next)),
                ..gap
            })
            .collect();
        let mut position = until.or(seen.last).unwrap_or(self.position);
        for gap in seen.missing.iter().flatten() {
            if gap.first > position {
                break;
            }
            if gaps.len() == GAPS_MAX {
                position = gap.first - 1;
                break;
            }
            let last = gap.last.min(position);
            gaps.push(Gap { last, ..*gap });
        }
        Self { position, gaps }
    }
}

/// What is left of a gap when these ids, in order, have appeared.
fn without(gap: Gap, late: &[i64]) -> Vec<Gap> {
    let mut left = Vec::new();
    let mut first = gap.first;
    for id in late {
        if (first..=gap.last).contains(id) {
            if *id > first {
                let last = *id - 1;
                left.push(Gap { first, last, ..gap });
            }
            first = *id + 1;
        }
    }
    if first <= gap.last {
        left.push(Gap { first, ..gap });
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(first: i64, last: i64, horizon: Option<i64>) -> Gap {
        Gap {
            first,
            last,
            horizon,
        }
    }

    fn seen(last: i64, missing: &[(i64, i64)], late: &[i64]) -> Seen {
        Seen {
            last: Some(last),
            rows: 1,
            late: late.to_vec(),
            more_late: false,
            missing: Some(missing.iter().map(|(f, l)| gap(*f, *l, None)).collect()),
        }
    }

    fn at(oldest: i64, next: i64) -> Snapshot {
        Snapshot { oldest, next }
    }

    #[test]
    fn a_gap_is_asked_for_until_every_transaction_of_the_look_after_has_ended() {
        let noticed = Place::default().after(&seen(9, &[(3, 5)], &[]), at(100, 110), None);
        assert_eq!((noticed.position, noticed.gaps[0]), (9, gap(3, 5, None)));
        let again = noticed.after(&Seen::default(), at(105, 120), None);
        assert_eq!(again.gaps, [gap(3, 5, Some(120))]);
        let still = again.after(&Seen::default(), at(119, 140), None);
        assert_eq!(still.gaps, again.gaps);
        let closed = still.after(&Seen::default(), at(120, 140), None);
        assert_eq!(closed.gaps, []);
        assert_eq!(closed.position, 9);
    }

    #[test]
    fn what_appears_late_leaves_the_rest_of_its_gap() {
        let place = Place {
            position: 20,
            gaps: vec![gap(3, 9, Some(50)), gap(12, 12, Some(50))],
        };
        let late = Seen {
            late: vec![3, 5, 6, 12],
            ..Seen::default()
        };
        let after = place.after(&late, at(10, 60), None);
        assert_eq!(after.gaps, [gap(4, 4, Some(50)), gap(7, 9, Some(50))]);
    }

    #[test]
    fn no_gap_is_closed_while_more_of_it_may_be_there() {
        let place = Place {
            position: 20,
            gaps: vec![gap(3, 9, Some(50))],
        };
        let late = Seen {
            late: vec![3, 4],
            more_late: true,
            ..Seen::default()
        };
        let after = place.after(&late, at(99, 100), Some(20));
        assert_eq!(after.gaps, [gap(5, 9, Some(50))]);
        assert_eq!(after.after(&Seen::default(), at(99, 100), None).gaps, []);
    }

    #[test]
    fn what_is_not_handled_yet_is_no_gap() {
        let after = Place::default().after(&seen(9, &[(3, 5), (7, 8)], &[]), at(1, 2), Some(4));
        assert_eq!((after.position, after.gaps), (4, vec![gap(3, 4, None)]));
    }

    #[test]
    fn beyond_what_can_be_remembered_the_place_waits_at_the_first_gap() {
        let many: Vec<(i64, i64)> = (1..=1_500).map(|n| (n * 2, n * 2)).collect();
        let after = Place::default().after(&seen(3_001, &many, &[]), at(1, 2), None);
        assert_eq!(after.gaps.len(), GAPS_MAX);
        assert_eq!(after.position, 2_001);
        let wide = Place::default().after(&seen(90_000, &[(5, 80_000)], &[]), at(1, 2), None);
        assert_eq!((wide.position, wide.gaps.len()), (90_000, 1));
    }
}
