//! Submission: from a request to rows.
//!
//! [`prepare`] checks a request against its template and touches nothing;
//! [`SubmitConnection`] writes any number of prepared tasks in one transaction, one
//! statement a namespace, roots enqueued in it. [`TextStatement`] is that statement for
//! one task, to be run by somebody else on a connection of theirs.

mod columns;
mod identity;
mod prepare;
mod text;
mod write;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Definition;
use crate::wire::TaskView;

pub(in crate::store) use prepare::{context_limits, context_problem};
pub use prepare::{prepare, SubmitError};
pub use text::TextStatement;
pub use write::SubmitConnection;

/// A checked task, ready to be written.
#[derive(Debug, Clone)]
pub struct NewTask {
    pub definition: Arc<Definition>,
    pub context: Value,
    pub initiator: String,
    pub source_system: String,
    pub reason: String,
    pub tags: Vec<String>,
    pub bypass_steps: Vec<String>,
    pub priority: i32,
    pub idempotency_key: Option<String>,
    pub correlation_id: String,
    pub traceparent: Option<String>,
    pub identity_hash: String,
    pub requested_at: DateTime<Utc>,
}

/// What became of a prepared task.
#[derive(Debug, Clone)]
pub enum Submitted {
    Created(TaskView),
    /// An earlier request with the same identity made this task.
    Duplicate(TaskView),
    /// The key was used before for a request with another template version or
    /// context.
    Conflict {
        task_id: i64,
    },
}
