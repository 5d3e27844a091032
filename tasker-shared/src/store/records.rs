//! What handlers of the Rails engine's API store besides their results: a changed context
//! of their task, changed inputs of their step, annotations.
//!
//! None of it moves a state, a counter or a message. LOCKS: the task, as every change to
//! it and its steps; annotations change nothing of a task and take no lock.
//! FENCE: a handler writes only while its attempt is the running one.

mod annotations;

use serde_json::Value;
use sqlx::{Postgres, Transaction};

use super::submit::{context_limits, context_problem};
use super::{begin, queue, Store, StoreError};
use crate::domain::{check_json, Namespace};
use crate::wire::FieldProblem;

pub use annotations::{
    annotate, annotation_type, annotations, make_annotation_type, Annotation, AnnotationType,
    TypeMade,
};

/// Why something was not stored.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("{}: {}{}", .0.field, .0.problem, remedy(.0))]
    Refused(FieldProblem),
    #[error("there is no such {what}: nothing was stored")]
    NotFound { what: &'static str },
    /// The Rails engine drives the task; a task must be driven by one engine.
    #[error("the Rails engine drives this task: change it there")]
    NotDriven,
    #[error(
        "this attempt is not the running one any more (its lease is lost, its time is up, or it was \
         cancelled): nothing was stored, and its outcome will not count either"
    )]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn remedy(problem: &FieldProblem) -> String {
    let remedy = problem.remedy.as_deref();
    remedy.map(|text| format!("; {text}")).unwrap_or_default()
}

impl From<sqlx::Error> for RecordError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl RecordError {
    /// Stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::NotFound { .. } => "not_found",
            Self::NotDriven => "not_driven",
            Self::Stale => "stale",
            Self::Store(error) => error.code(),
        }
    }
}

/// The execution that a handler writes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub step_id: i64,
    pub attempt: i32,
    pub message_id: i64,
    pub lease_token: i32,
}

/// Whether an execution is the running one. Read under the lock of its task, after which
/// nothing can change the answer: what ends an attempt takes that lock first, and a claim
/// leaves steps in process alone.
/// $1 message id, $2 lease token, $3 step id, $4 task id, $5 attempt.
const RUNNING: &str = "
    SELECT EXISTS (SELECT 1 FROM pgmq.{queue} WHERE msg_id = $1 AND read_ct = $2)
       AND EXISTS (SELECT 1 FROM tasker_workflow_steps
                    WHERE workflow_step_id = $3 AND task_id = $4 AND attempts = $5 AND in_process)";

/// Stores another context of a task. Steps claimed from now on get it. The schema of the
/// template is not asked: it is for what comes from outside.
///
/// Without a fence whoever asks may write, also to a task that has ended.
///
/// # Errors
/// `Refused` for what could not be submitted as a context; `Stale`; `NotFound`,
/// `NotDriven`.
pub async fn save_context(
    store: &Store,
    task_id: i64,
    context: &Value,
    fence: Option<&Fence>,
) -> Result<(), RecordError> {
    if let Some(problem) = context_problem("context", context, store.engine()) {
        return Err(RecordError::Refused(problem));
    }
    let mut transaction = locked(store, task_id, fence).await?;
    sqlx::query(
        "UPDATE tasker_tasks SET context = $2, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
          WHERE task_id = $1",
    )
    .bind(task_id)
    .bind(context)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Stores other inputs of a running step: later attempts begin with them.
///
/// # Errors
/// `Refused` for what cannot be stored; `Stale`; `NotFound`, `NotDriven`.
pub async fn save_inputs(
    store: &Store,
    task_id: i64,
    inputs: &Value,
    fence: &Fence,
) -> Result<(), RecordError> {
    check_stored("inputs", inputs, store)?;
    let mut transaction = locked(store, task_id, Some(fence)).await?;
    sqlx::query(
        "UPDATE tasker_workflow_steps
            SET inputs = $2, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
          WHERE workflow_step_id = $1",
    )
    .bind(fence.step_id)
    .bind(inputs)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// A transaction that holds the task's lock, and inside which the fence stands.
async fn locked(
    store: &Store,
    task_id: i64,
    fence: Option<&Fence>,
) -> Result<Transaction<'static, Postgres>, RecordError> {
    let mut transaction = begin(store.pool()).await?;
    let namespace: Option<String> = sqlx::query_scalar(
        "SELECT namespace FROM tasker.task_runs WHERE task_id = $1 FOR NO KEY UPDATE",
    )
    .bind(task_id)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(namespace) = namespace.and_then(|name| Namespace::parse(&name).ok()) else {
        return Err(if task_exists(store, task_id).await? {
            RecordError::NotDriven
        } else {
            RecordError::NotFound { what: "task" }
        });
    };
    if let Some(fence) = fence {
        let running: bool = sqlx::query_scalar(&queue::for_namespace(RUNNING, &namespace))
            .bind(fence.message_id)
            .bind(fence.lease_token)
            .bind(fence.step_id)
            .bind(task_id)
            .bind(fence.attempt)
            .fetch_one(&mut *transaction)
            .await?;
        if !running {
            return Err(RecordError::Stale);
        }
    }
    Ok(transaction)
}

async fn task_exists(store: &Store, task_id: i64) -> Result<bool, StoreError> {
    let exists = "SELECT EXISTS (SELECT 1 FROM tasker_tasks WHERE task_id = $1)";
    Ok(sqlx::query_scalar(exists)
        .bind(task_id)
        .fetch_one(store.pool())
        .await?)
}

/// Refuses JSON that could not be read back, or is too much.
fn check_stored(field: &str, value: &Value, store: &Store) -> Result<(), RecordError> {
    check_json(value, &context_limits(store.engine()))
        .map(drop)
        .map_err(|error| {
            RecordError::Refused(FieldProblem {
                field: field.to_owned(),
                problem: error.to_string(),
                remedy: Some(
                    "the limits are those of a context, see docs/operations.md".to_owned(),
                ),
            })
        })
}
