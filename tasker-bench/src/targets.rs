//! What the engine is meant to reach, on two cores and 24 GiB with PostgreSQL 15, and
//! where in the records of a run it stands what it has reached.
//!
//! A value is taken from where it is worst whenever a target speaks of several runs.

mod experiments;
mod latency;
mod loads;

use crate::records::Records;

/// The unit of ratios.
const TIMES: &str = "×";

pub(crate) fn all() -> impl Iterator<Item = &'static Target> {
    [loads::TARGETS, latency::TARGETS, experiments::TARGETS]
        .into_iter()
        .flatten()
}

/// One promise.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// What must be reached, if anything must.
    pub(crate) gate: Option<f64>,
    /// What should be.
    pub(crate) aim: Option<f64>,
    pub(crate) measured: fn(&Records) -> Option<Measured>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// A value, and whose it is where that is not clear.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) of: Option<String>,
}

impl Better {
    fn reaches(self, value: f64, bound: f64) -> bool {
        match self {
            Self::More => value >= bound,
            Self::Less => value <= bound,
        }
    }
}

impl Target {
    /// More is better. Without a bound and a way to measure it means nothing yet.
    const fn more(what: &'static str, unit: &'static str) -> Self {
        Self {
            what,
            unit,
            better: Better::More,
            gate: None,
            aim: None,
            measured: |_| None,
        }
    }

    /// Less is better.
    const fn less(what: &'static str, unit: &'static str) -> Self {
        Self {
            better: Better::Less,
            ..Self::more(what, unit)
        }
    }

    const fn gate(mut self, bound: f64) -> Self {
        self.gate = Some(bound);
        self
    }

    const fn aim(mut self, bound: f64) -> Self {
        self.aim = Some(bound);
        self
    }

    const fn is(mut self, measured: fn(&Records) -> Option<Measured>) -> Self {
        self.measured = measured;
        self
    }

    /// The verdict in plain words.
    pub(crate) fn verdict(&self, measured: Option<&Measured>) -> &'static str {
        let Some(Measured { value, .. }) = measured else {
            return "not measured";
        };
        let reached = |bound: Option<f64>| bound.map(|bound| self.better.reaches(*value, bound));
        match (reached(self.gate), reached(self.aim)) {
            (Some(false), _) | (None, Some(false)) => "missed",
            (Some(true), Some(false)) => "gate met",
            _ => "met",
        }
    }
}

fn plain(value: f64) -> Measured {
    Measured { value, of: None }
}

/// The worst of several values.
fn worst<T>(
    better: Better,
    of: impl IntoIterator<Item = T>,
    value: impl Fn(T) -> Option<Measured>,
) -> Option<Measured> {
    of.into_iter().filter_map(value).reduce(|worst, next| {
        if better.reaches(next.value, worst.value) {
            worst
        } else {
            next
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_which_bound_was_reached() {
        let rate = Target::more("", "").gate(4000.0).aim(8000.0);
        let verdicts = [3999.0, 4000.0, 8000.0].map(|value| rate.verdict(Some(&plain(value))));
        assert_eq!(verdicts, ["missed", "gate met", "met"]);
        let cost = Target::less("", "").gate(4.0).aim(2.5);
        let verdicts = [4.1, 4.0, 2.5].map(|value| cost.verdict(Some(&plain(value))));
        assert_eq!(verdicts, ["missed", "gate met", "met"]);
    }

    #[test]
    fn one_bound_is_enough_for_a_verdict() {
        let gate = Target::more("", "").gate(0.8);
        let aim = Target::less("", "").aim(1.0);
        assert_eq!(gate.verdict(Some(&plain(0.8))), "met");
        assert_eq!(gate.verdict(Some(&plain(0.7))), "missed");
        assert_eq!(aim.verdict(Some(&plain(1.1))), "missed");
        assert_eq!(aim.verdict(None), "not measured");
    }

    #[test]
    fn the_worst_of_several_counts() {
        let values = [3.0, 1.0, 2.0];
        let some = |value| Some(plain(value));
        assert_eq!(worst(Better::More, values, some), Some(plain(1.0)));
        assert_eq!(worst(Better::Less, values, some), Some(plain(3.0)));
        assert_eq!(worst(Better::Less, [], some), None);
    }

    #[test]
    fn an_aim_is_harder_than_its_gate() {
        for target in all() {
            let bounds = target.gate.zip(target.aim);
            let in_order = bounds.is_none_or(|(gate, aim)| target.better.reaches(aim, gate));
            assert!(
                in_order && target.gate.or(target.aim).is_some(),
                "{}",
                target.what
            );
        }
    }
}
