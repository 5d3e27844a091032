//! One attempt of a step, as claim hands it out and a report brings it back.

use serde::{Deserialize, Serialize};

use crate::domain::Outcome;

/// Names one execution and carries what judging its outcome needs.
///
/// `message_id` and `lease_token` are the fence: a claim raises the token, so no
/// two executions share the pair, even where the attempt number is used again
/// after a step was handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub step_id: i64,
    pub task_id: i64,
    /// From 1.
    pub attempt: i32,
    pub message_id: i64,
    pub lease_token: i32,
    pub definition_id: i64,
    pub named_step_id: i32,
    pub retry_limit: i32,
    pub retryable: bool,
}

/// What became of an attempt, on its way to be applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(flatten)]
    pub attempt: Attempt,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// True if the worker has written the results to the step's row already,
    /// since they were too large to ride in a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stored: bool,
}
