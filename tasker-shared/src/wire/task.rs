//! Tasks: what is submitted, what is stored, how lists are filtered.
//!
//! A request says as little as it can; everything absent has a default that the
//! field's comment names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{Problem, StepView, TransitionView};
use crate::domain::State;

/// A task to run. `POST /v1/tasks`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// Name of the template.
    pub name: String,
    /// Namespace of the template; `default` when absent, or what stands before the
    /// slash of a `name` like `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Version of the template (d.d.d); the highest registered when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Input of the task, checked against the template's schema. An object.
    #[schema(value_type = Object)]
    pub context: Value,
    /// Who asks; `unknown` when absent. At most 128 characters, as the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_system: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// At most 32, of at most 64 characters each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Names of steps, stored with the task as the Rails engine stores them; none is
    /// bypassed. At most 1,000, of at most 128 characters each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass_steps: Option<Vec<String>>,
    /// When the task was asked for; now when absent. It delays nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<DateTime<Utc>>,
    /// Steps of tasks with a higher priority are claimed first. -100 to 100, 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Two requests with the same key for the same template make one task. 1 to 255 visible ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Carried to every handler and log line. At most 128 characters; generated when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

/// Up to 1,000 tasks. `POST /v1/tasks/batch`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskBatchRequest {
    /// Each item is judged by itself: a bad one does not stop the others.
    #[schema(value_type = Vec<TaskRequest>)]
    pub tasks: Vec<Value>,
}

/// What became of each item of a batch, in the order of the request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskBatchResponse {
    pub created: usize,
    pub duplicates: usize,
    pub refused: usize,
    pub items: Vec<TaskBatchItem>,
}

/// One item's outcome: `task_id` or `error`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskBatchItem {
    pub index: usize,
    /// HTTP status the item alone would have got.
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// Answer to a submission: the task, and whether it existed before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskSubmitted {
    /// True when an earlier request with the same identity made this task.
    pub duplicate: bool,
    #[serde(flatten)]
    pub task: TaskView,
}

/// A task as stored.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    pub task_id: i64,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub state: State,
    pub complete: bool,
    pub initiator: Option<String>,
    pub source_system: Option<String>,
    pub reason: Option<String>,
    pub tags: Vec<String>,
    #[schema(value_type = Object)]
    pub context: Value,
    pub priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    pub requested_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    /// When the task entered the state it is in.
    pub state_since: DateTime<Utc>,
    /// Number of steps by state; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_counts: Option<StepCounts>,
    /// With `include=steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepView>>,
    /// With `include=transitions`: of the task and of its steps, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transitions: Option<Vec<TransitionView>>,
    /// With `include=annotations`: oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Vec<AnnotationView>>,
    /// False for a task the Rails engine drives: it is shown, not run.
    pub driven_by_core: bool,
}

/// A note that a handler or a hook has left on a task.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AnnotationView {
    pub annotation_id: i64,
    /// Name of its type.
    pub annotation_type: String,
    #[schema(value_type = Object)]
    pub annotation: Value,
    pub created_at: DateTime<Utc>,
}

/// Steps of a task by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepCounts {
    pub total: i64,
    pub pending: i64,
    pub in_progress: i64,
    pub complete: i64,
    pub error: i64,
    pub cancelled: i64,
    pub resolved_manually: i64,
}

/// Filters of `GET /v1/tasks`; all that are given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TaskFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the template; without a namespace also `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Requested at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Requested before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// Tasks per page, 1 to 200; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of tasks, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskPage {
    pub tasks: Vec<TaskView>,
    /// Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
