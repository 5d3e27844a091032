//! Which events orchestration raises, and what reading a choice of them takes.

use std::collections::BTreeSet;

use super::FeedError;
use crate::domain::State;

macro_rules! identifiers {
    ($($name:ident = $text:literal),+ $(,)?) => {
        $(pub(super) const $name: &str = $text;)+
        /// Every event that orchestration raises.
        pub const IDENTIFIERS: &[&str] = &[$($text),+];
    };
}

identifiers! {
    TASK_START_REQUESTED = "task.start_requested",
    TASK_COMPLETED = "task.completed",
    TASK_FAILED = "task.failed",
    TASK_RETRY_REQUESTED = "task.retry_requested",
    TASK_CANCELLED = "task.cancelled",
    TASK_RESOLVED_MANUALLY = "task.resolved_manually",
    TASK_BEFORE_TRANSITION = "task.before_transition",
    TASK_ENQUEUE = "observability.task.enqueue",
    STARTED = "workflow.task_started",
    VIABLE_STEPS = "workflow.viable_steps_discovered",
    NO_VIABLE_STEPS = "workflow.no_viable_steps",
    STEPS_STARTED = "workflow.steps_execution_started",
    STEPS_COMPLETED = "workflow.steps_execution_completed",
    FINALIZATION_STARTED = "workflow.task_finalization_started",
    FINALIZATION_COMPLETED = "workflow.task_finalization_completed",
    REENQUEUE_STARTED = "workflow.task_reenqueue_started",
    REENQUEUE_REQUESTED = "workflow.task_reenqueue_requested",
    REENQUEUE_DELAYED = "workflow.task_reenqueue_delayed",
    STEP_FAILED = "step.failed",
    STEP_RETRY_REQUESTED = "step.retry_requested",
    STEP_CANCELLED = "step.cancelled",
    STEP_RESOLVED_MANUALLY = "step.resolved_manually",
}

/// Those made of the rounds in which steps become ready.
const OF_ROUNDS: [&str; 3] = [VIABLE_STEPS, STEPS_STARTED, STEPS_COMPLETED];
const OF_RETRIES: [&str; 3] = [REENQUEUE_STARTED, REENQUEUE_REQUESTED, REENQUEUE_DELAYED];
/// Those whose payload has the context of the task.
const WITH_CONTEXT: [&str; 7] = [
    TASK_START_REQUESTED,
    TASK_ENQUEUE,
    TASK_COMPLETED,
    TASK_FAILED,
    TASK_RETRY_REQUESTED,
    TASK_CANCELLED,
    TASK_RESOLVED_MANUALLY,
];

/// The events that a subscription gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(BTreeSet<&'static str>);

impl Wanted {
    /// All of them if none are named.
    pub(super) fn parse(names: Option<&[String]>) -> Result<Self, FeedError> {
        let Some(names) = names else {
            return Ok(Self(IDENTIFIERS.iter().copied().collect()));
        };
        let known = |name: &String| {
            let found = IDENTIFIERS.iter().find(|known| *known == name);
            found.copied().ok_or_else(|| FeedError::UnknownEvent {
                name: name.clone(),
                known: IDENTIFIERS.join(", "),
            })
        };
        let wanted = names
            .iter()
            .map(known)
            .collect::<Result<BTreeSet<_>, _>>()?;
        if wanted.is_empty() {
            return Err(FeedError::NoEvents);
        }
        Ok(Self(wanted))
    }

    pub(super) fn has(&self, identifier: &str) -> bool {
        self.0.contains(identifier)
    }

    fn any(&self, of: &[&str]) -> bool {
        of.iter().any(|identifier| self.has(identifier))
    }

    pub(super) fn rounds(&self) -> bool {
        self.any(&OF_ROUNDS)
    }

    pub(super) fn contexts(&self) -> bool {
        self.any(&WITH_CONTEXT)
    }

    /// Whether what is known of failed attempts is read: their errors and next attempts.
    pub(super) fn failures(&self) -> bool {
        self.has(STEP_FAILED) || self.any(&OF_RETRIES)
    }

    /// States whose transitions of steps matter; none if no transition of a step does.
    pub(super) fn step_states(&self) -> Vec<&'static str> {
        let of = |state: State, more: bool| (more || self.rounds()).then_some(state.as_str());
        [
            of(State::Pending, self.has(STEP_RETRY_REQUESTED)),
            of(State::Complete, false),
            of(State::Error, self.failures()),
            of(State::Cancelled, self.has(STEP_CANCELLED)),
            of(State::ResolvedManually, self.has(STEP_RESOLVED_MANUALLY)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> Wanted {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Wanted::parse(Some(&names)).unwrap()
    }

    #[test]
    fn events_of_tasks_take_no_transition_of_a_step() {
        let ends = wanted(&[FINALIZATION_COMPLETED, TASK_BEFORE_TRANSITION]);
        assert_eq!(ends.step_states(), [""; 0]);
        assert!(!ends.contexts() && !ends.rounds());
        assert_eq!(wanted(&[STEP_CANCELLED]).step_states(), ["cancelled"]);
        assert_eq!(Wanted::parse(None).unwrap().step_states().len(), 5);
    }

    #[test]
    fn what_orchestration_does_not_raise_is_refused_with_what_it_does() {
        let error = Wanted::parse(Some(&["step.completed".to_owned()])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("step.completed") && text.contains("step.cancelled"),
            "{text}"
        );
        assert!(Wanted::parse(Some(&[])).is_err());
    }
}
