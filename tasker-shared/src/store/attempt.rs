//! One attempt of a step, as claim hands it out and a report brings it back.

use serde::{Deserialize, Serialize};

use crate::domain::Outcome;

/// Names one execution and carries what judging its outcome needs.
///
/// `message_id` and `lease_token` are the fence: a claim raises the token, so no
/// two executions share the pair, even where the attempt number is used again
/// after a step was handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
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

/// An attempt inside a message, in the order of its fields. Their names were half of
/// every message, and reading and writing them 2.5 of the 8 µs a report costs the
/// database there and back.
type Row = (i64, i64, i32, i64, i32, i64, i32, i32, bool);

impl From<Row> for Attempt {
    fn from(row: Row) -> Self {
        let (step_id, task_id, attempt, message_id, lease_token, ..) = row;
        let (.., definition_id, named_step_id, retry_limit, retryable) = row;
        Self {
            step_id,
            task_id,
            attempt,
            message_id,
            lease_token,
            definition_id,
            named_step_id,
            retry_limit,
            retryable,
        }
    }
}

impl From<Attempt> for Row {
    fn from(attempt: Attempt) -> Self {
        (
            attempt.step_id,
            attempt.task_id,
            attempt.attempt,
            attempt.message_id,
            attempt.lease_token,
            attempt.definition_id,
            attempt.named_step_id,
            attempt.retry_limit,
            attempt.retryable,
        )
    }
}

/// What became of an attempt, on its way to be applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    // Not flattened: serde would copy every report into a map first.
    pub attempt: Attempt,
    pub outcome: Outcome,
    /// True if the worker has written the results to the step's row already,
    /// since they were too large to ride in a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stored: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Attempt, Report};
    use crate::domain::{Outcome, StepError};

    #[test]
    fn a_report_comes_out_of_a_message_as_it_went_in() {
        let attempt = Attempt {
            step_id: 1,
            task_id: 2,
            attempt: 3,
            message_id: 4,
            lease_token: 5,
            definition_id: 6,
            named_step_id: 7,
            retry_limit: 8,
            retryable: true,
        };
        let outcomes = [
            Outcome::Success {
                results: json!({"n": [1, null]}),
            },
            Outcome::Success {
                results: json!(null),
            },
            Outcome::Failure {
                error: StepError::permanent("no").with_context(json!({"a": 1})),
            },
            Outcome::HandedBack,
            Outcome::NoHandler {
                handler_class: "A::B".to_owned(),
            },
        ];
        for outcome in outcomes {
            let report = Report {
                attempt,
                outcome,
                stored: true,
            };
            let text = serde_json::to_string(&report).unwrap();
            assert!(text.contains("[1,2,3,4,5,6,7,8,true]"), "{text}");
            assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        }
    }
}
