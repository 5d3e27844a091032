//! What can keep a call from its answer.
//!
//! Three parties can be at fault: the request or the service (`Problem`), the
//! way to it (`Unreachable`), or whatever else answers at that address
//! (`Protocol`).

use std::time::Duration;

use tasker_shared::wire::{Problem, TaskView};

/// An error of a call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL cannot be used.
    #[error("{url:?} is not a usable address of the service: {problem}")]
    BadUrl { url: String, problem: String },
    /// The service answered with a problem document.
    #[error("{} ({}): {}", problem.title, problem.code, problem.detail)]
    Problem {
        problem: Box<Problem>,
        /// How long the service asks to wait before the next try.
        retry_after: Option<Duration>,
    },
    /// No answer: no connection, or none within the time limit.
    #[error("the service at {url} does not answer")]
    Unreachable { url: String, source: reqwest::Error },
    /// An answer that is not one of the service's.
    #[error("{url} answered with status {status}, but not as the service does: {problem}")]
    Protocol {
        url: String,
        status: u16,
        problem: String,
    },
    /// [`Client::wait`](crate::Client::wait) gave up; the task goes on.
    #[error("task {task_id} was not finished after {after:?}")]
    Deadline {
        task_id: i64,
        after: Duration,
        /// The task as last seen.
        last: Option<Box<TaskView>>,
    },
}

impl ClientError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Problem { problem, .. } => matches!(problem.status, 408 | 429 | 502..=504),
            Self::Unreachable { .. } => true,
            Self::Protocol { status, .. } => matches!(status, 429 | 502..=504),
            Self::BadUrl { .. } | Self::Deadline { .. } => false,
        }
    }

    /// HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem { problem, .. } => Some(problem.status),
            Self::Protocol { status, .. } => Some(*status),
            _ => None,
        }
    }
}
