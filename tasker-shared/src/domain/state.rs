//! States of tasks and steps and the moves between them.
//!
//! Both machines have the six states of the Rails engine. No transition row
//! means `pending`. The tables below are the only place that says which moves
//! exist; the SQL that applies them is written against these names.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A state of a task or of a step.
///
/// | state | moved in by | moved out by |
/// | --- | --- | --- |
/// | pending | creation, retry of a failure | claim, cancel, resolve |
/// | `in_progress` | submit (task), claim (step) | advance, cancel |
/// | complete | advance | - |
/// | error | advance | due retry, operator's retry, resolve |
/// | cancelled | operator's cancel | - |
/// | `resolved_manually` | operator's resolve | - |
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    InProgress,
    Complete,
    Error,
    Cancelled,
    ResolvedManually,
}

impl State {
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::InProgress,
        Self::Complete,
        Self::Error,
        Self::Cancelled,
        Self::ResolvedManually,
    ];

    /// The name stored in transition rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::ResolvedManually => "resolved_manually",
        }
    }

    /// The state of a stored name; `None` for a name neither engine writes.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// Whether children of a step in this state may run.
    pub const fn satisfies_children(self) -> bool {
        matches!(self, Self::Complete | Self::ResolvedManually)
    }

    /// Whether a task in this state runs no more unless an operator acts.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress)
    }

    /// Moves a task may make, as in the Rails engine.
    pub const fn task_may_go_to(self, to: Self) -> bool {
        use State::{Cancelled, Complete, Error, InProgress, Pending, ResolvedManually};
        matches!(
            (self, to),
            (Pending, InProgress | Cancelled | Error)
                | (InProgress, Complete | Error | Cancelled | Pending)
                | (Error, Pending | ResolvedManually)
                | (Complete | ResolvedManually, Cancelled)
        )
    }

    /// Moves a step may make, as in the Rails engine.
    pub const fn step_may_go_to(self, to: Self) -> bool {
        use State::{Cancelled, Complete, Error, InProgress, Pending, ResolvedManually};
        matches!(
            (self, to),
            (Pending, InProgress | Error | Cancelled | ResolvedManually)
                | (InProgress, Complete | Error | Cancelled)
                | (Error, Pending | ResolvedManually)
        )
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn names_round_trip() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("failed"), None);
    }

    #[test]
    fn finished_steps_never_move_again() {
        for to in State::ALL {
            for from in [State::Complete, State::Cancelled, State::ResolvedManually] {
                assert!(!from.step_may_go_to(to), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn a_cancelled_task_stays_cancelled() {
        assert!(State::ALL
            .into_iter()
            .all(|to| !State::Cancelled.task_may_go_to(to)));
    }

    #[test]
    fn retrying_passes_through_pending() {
        assert!(State::Error.step_may_go_to(State::Pending));
        assert!(!State::Error.step_may_go_to(State::InProgress));
        assert!(State::Error.task_may_go_to(State::Pending));
        assert!(!State::Error.task_may_go_to(State::InProgress));
    }
}
