//! The numbers: what each turn of the hot path asks of the database. They hold whatever
//! the shape of the tasks, however many steps are in a batch and whatever is stored.

use super::meter::Spent;

/// One call: its statements in order, each by its first three words, and how many of
/// its transactions write.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) part: &'static str,
    pub(super) statements: &'static [&'static str],
    pub(super) commits: i64,
}

impl Turn {
    pub(super) fn is(&self, spent: &Spent) {
        assert_eq!(spent.statements, self.statements, "{}", self.part);
        assert_eq!(spent.commits, self.commits, "commits of {}", self.part);
    }
}

pub(super) const SUBMIT: Turn = Turn {
    part: "submit",
    statements: &["WITH task AS"],
    commits: 1,
};

/// The one commit of these that nobody waits for.
pub(super) const CLAIM: Turn = Turn {
    part: "claim",
    statements: &["WITH picked AS"],
    commits: 1,
};

pub(super) const REPORT: Turn = Turn {
    part: "report",
    statements: &["INSERT INTO pgmq.q_step_results"],
    commits: 1,
};

pub(super) const RESULTS: Turn = Turn {
    part: "results",
    statements: &["BEGIN; EXECUTE take_results", "WITH input AS", "COMMIT"],
    commits: 1,
};

// The same, and other processes are woken: by the same commit if wakes are few.

pub(super) const REPORT_AND_WAKE: Turn = Turn {
    part: "report with a wake",
    statements: &["WITH sent AS"],
    commits: 1,
};

pub(super) const RESULTS_AND_WAKE: Turn = Turn {
    part: "results with a wake",
    statements: &[
        "BEGIN; EXECUTE take_results",
        "WITH input AS",
        "NOTIFY tasker_wake, 'steps",
    ],
    commits: 1,
};

pub(super) const ADVANCE: Turn = Turn {
    part: "advance",
    statements: &["WITH input AS"],
    commits: 1,
};

/// An advance, and the start of children in place of a claim.
pub(super) const GO_ON: Turn = Turn {
    part: "going on",
    statements: &["WITH input AS"],
    commits: 1,
};

// The same where there is nothing to do.

pub(super) const NOTHING_TO_CLAIM: Turn = Turn {
    part: "claim of nothing",
    statements: &["WITH picked AS"],
    commits: 0,
};

pub(super) const NOTHING_TO_TAKE: Turn = Turn {
    part: "results without a message",
    statements: &["BEGIN; EXECUTE take_results", "ROLLBACK"],
    commits: 0,
};

pub(super) const NOTHING_TO_ADVANCE: Turn = Turn {
    part: "advance of nothing",
    statements: &[],
    commits: 0,
};

pub(super) const NOTHING_TO_SWEEP: Turn = Turn {
    part: "sweep of nothing",
    statements: &["SELECT 'due' AS"],
    commits: 0,
};

// Batches with something unusual in them.

pub(super) const SUBMIT_TO_TWO_NAMESPACES: Turn = Turn {
    part: "submit to two namespaces",
    statements: &["BEGIN", "WITH task AS", "WITH task AS", "COMMIT"],
    commits: 1,
};

pub(super) const ADVANCE_OF_TWO_NAMESPACES: Turn = Turn {
    part: "advance of two namespaces",
    statements: &["WITH input AS", "WITH input AS"],
    commits: 2,
};

pub(super) const RESULTS_OF_TWO_NAMESPACES: Turn = Turn {
    part: "results of two namespaces",
    statements: &[
        "BEGIN; EXECUTE take_results",
        "WITH input AS",
        "WITH input AS",
        "COMMIT",
    ],
    commits: 1,
};

/// One of them does not fit into a message.
pub(super) const REPORT_WITH_ONE_LARGE_RESULT: Turn = Turn {
    part: "report with one large result",
    statements: &["WITH locked AS", "INSERT INTO pgmq.q_step_results"],
    commits: 2,
};

/// The look, and what it found.
pub(super) const SWEEP_OF_DUE: Turn = Turn {
    part: "sweep of due retries",
    statements: &["SELECT 'due' AS", "WITH candidates AS"],
    commits: 1,
};
