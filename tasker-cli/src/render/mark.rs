//! One mark per standing of a step: glyph, word and colour.
//!
//! The service stores six states and derives phases from them; a reader of a
//! terminal wants one word. This is the only place that makes it.

use tasker_shared::domain::State;
use tasker_shared::wire::StepPhase;

use super::style::{Ink, Style};

/// Where a step stands, as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    Complete,
    Resolved,
    Running,
    Enqueued,
    BackingOff,
    NoHandler,
    Failed,
    Blocked,
    Cancelled,
    External,
    Waiting,
}

impl Mark {
    pub(crate) const ALL: [Self; 11] = [
        Self::Complete,
        Self::Resolved,
        Self::Running,
        Self::Enqueued,
        Self::BackingOff,
        Self::NoHandler,
        Self::Failed,
        Self::Blocked,
        Self::Cancelled,
        Self::External,
        Self::Waiting,
    ];

    pub(crate) const fn of(state: State, phase: StepPhase) -> Self {
        match (phase, state) {
            (_, State::Complete) => Self::Complete,
            (_, State::ResolvedManually) => Self::Resolved,
            (_, State::Cancelled) => Self::Cancelled,
            (StepPhase::WaitingForParents, _) | (StepPhase::Finished, State::Pending) => {
                Self::Waiting
            }
            (StepPhase::Blocked, _) => Self::Blocked,
            (StepPhase::Enqueued, _) => Self::Enqueued,
            (StepPhase::Running, _) | (StepPhase::Finished, State::InProgress) => Self::Running,
            (StepPhase::BackingOff, _) => Self::BackingOff,
            (StepPhase::NoHandler, _) => Self::NoHandler,
            (StepPhase::Finished, State::Error) => Self::Failed,
            (StepPhase::External, _) => Self::External,
        }
    }

    pub(crate) const fn glyph(self, style: Style) -> char {
        if style.unicode {
            match self {
                Self::Complete => '\u{2713}',
                Self::Resolved => '\u{25c6}',
                Self::Running => '\u{25cf}',
                Self::Enqueued => '\u{25cb}',
                Self::BackingOff => '\u{21bb}',
                Self::NoHandler => '?',
                Self::Failed => '\u{2717}',
                Self::Blocked => '!',
                Self::Cancelled => '\u{2298}',
                Self::External => 'E',
                Self::Waiting => '\u{b7}',
            }
        } else {
            match self {
                Self::Complete => '*',
                Self::Resolved => 'R',
                Self::Running => '>',
                Self::Enqueued => 'o',
                Self::BackingOff => '~',
                Self::NoHandler => '?',
                Self::Failed => 'X',
                Self::Blocked => '!',
                Self::Cancelled => 'C',
                Self::External => 'E',
                Self::Waiting => '.',
            }
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Resolved => "resolved by hand",
            Self::Running => "running",
            Self::Enqueued => "enqueued",
            Self::BackingOff => "waits for its next attempt",
            Self::NoHandler => "no worker has its handler",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::External => "driven by Rails",
            Self::Waiting => "waiting",
        }
    }

    pub(crate) const fn ink(self) -> Ink {
        match self {
            Self::Complete | Self::Resolved => Ink::Good,
            Self::Running => Ink::Active,
            Self::BackingOff | Self::NoHandler | Self::Blocked => Ink::Warn,
            Self::Failed => Ink::Bad,
            Self::Enqueued => Ink::Plain,
            Self::Cancelled | Self::External | Self::Waiting => Ink::Dim,
        }
    }

    /// Whether children of the step may run.
    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Complete | Self::Resolved)
    }
}

/// A state as a person writes it.
pub(crate) const fn state_word(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::InProgress => "in progress",
        State::Complete => "complete",
        State::Error => "error",
        State::Cancelled => "cancelled",
        State::ResolvedManually => "resolved by hand",
    }
}

pub(crate) const fn state_ink(state: State) -> Ink {
    match state {
        State::Pending => Ink::Plain,
        State::InProgress => Ink::Active,
        State::Complete | State::ResolvedManually => Ink::Good,
        State::Error => Ink::Bad,
        State::Cancelled => Ink::Dim,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mark_has_its_own_glyph_and_word() {
        for style in [Style::PLAIN, Style::ASCII] {
            let glyphs: BTreeSet<char> = Mark::ALL.iter().map(|m| m.glyph(style)).collect();
            assert_eq!(glyphs.len(), Mark::ALL.len());
        }
        let words: BTreeSet<&str> = Mark::ALL.iter().map(|m| m.word()).collect();
        assert_eq!(words.len(), Mark::ALL.len());
    }

    #[test]
    fn a_failure_with_a_due_attempt_is_not_a_failed_step() {
        assert_eq!(
            Mark::of(State::Error, StepPhase::BackingOff),
            Mark::BackingOff
        );
        assert_eq!(Mark::of(State::Error, StepPhase::Finished), Mark::Failed);
    }
}
