//! Steps: their rows, what is derived of their standing, what an operator may
//! ask of them.
//!
//! `state` is stored; `phase` is derived when it is asked for and never stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::State;

/// Where a step stands between its states; derived, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepPhase {
    /// Waits for parents that can still finish.
    WaitingForParents,
    /// An ancestor failed or was cancelled: it runs only if an operator acts.
    Blocked,
    /// Its message is in the queue, no worker has taken it yet.
    Enqueued,
    /// A worker holds it.
    Running,
    /// Failed; the next attempt has a due time.
    BackingOff,
    /// No live worker has its handler.
    NoHandler,
    /// Complete, failed for good, cancelled or resolved.
    Finished,
    /// The Rails engine drives the task.
    External,
}

/// A step as stored, with what can be derived of its standing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    pub step_id: i64,
    pub task_id: i64,
    pub name: String,
    pub state: State,
    pub phase: StepPhase,
    pub attempts: i32,
    pub retry_limit: i32,
    pub retryable: bool,
    pub in_process: bool,
    pub processed: bool,
    pub processed_at: Option<DateTime<Utc>>,
    pub last_attempted_at: Option<DateTime<Utc>>,
    /// When the next attempt is due, for a step that waits for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub handler_class: Option<String>,
    /// Names of the steps this one waits for.
    pub depends_on: Vec<String>,
    /// Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Value>,
    #[schema(value_type = Object)]
    pub results: Value,
    /// What the handler last said of its progress; only for a single step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Value>,
    /// Attempts that did not succeed, oldest first; only for a single step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Vec<FailureView>>,
    /// Only for a single step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transitions: Option<Vec<TransitionView>>,
}

/// One attempt that did not succeed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FailureView {
    pub attempt: i32,
    /// retryable, permanent, timeout, panic or lost.
    pub kind: String,
    #[schema(value_type = Object)]
    pub error: Value,
    pub started_at: Option<DateTime<Utc>>,
    pub failed_at: DateTime<Utc>,
}

/// One row of the audit trail.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TransitionView {
    /// Absent for a transition of the task itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_name: Option<String>,
    /// Null in rows the Rails engine wrote.
    pub from_state: Option<String>,
    pub to_state: String,
    pub sort_key: i32,
    pub most_recent: bool,
    #[schema(value_type = Object)]
    pub metadata: Value,
    pub created_at: DateTime<Utc>,
}

/// Steps of a task, in template order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepList {
    pub steps: Vec<StepView>,
}

/// Body of the operator verbs `cancel` and `retry`; may be empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorRequest {
    /// Recorded in the audit trail. At most 255 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who acts; recorded in the audit trail. At most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// Body of `resolve`: closes a step by hand, with the results its children read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    #[serde(default)]
    #[schema(value_type = Object)]
    pub results: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}
