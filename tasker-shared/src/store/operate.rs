//! What a person may do to a task or a step: cancel, retry, resolve.
//!
//! Each verb is one transaction under the task's lock; unblocking, enqueueing,
//! counting and finalizing are the same SQL that [`super::advance`] runs. The
//! operator and the reason go into the metadata of the transitions.
//!
//! LOCKS: the task row, then all step rows the verb looks at (a claim may hold
//! one for the length of its statement; it never waits, so neither do we for
//! long), then messages.

mod exhausted;
mod steps;
mod tasks;
mod transition;

use serde_json::{json, Map, Value};
use sqlx::{PgConnection, Row};

use super::{begin, queue, StoreError};
use crate::domain::{Namespace, State};

pub use exhausted::fail_exhausted;
pub(super) use exhausted::EXHAUSTED;
pub use steps::{cancel_step, resolve_step, retry_step};
pub use tasks::{cancel_task, retry_task};

/// Why a verb was refused.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("{detail}")]
    NotAllowed {
        /// The state that stands in the way.
        state: State,
        /// What is in the way and what helps.
        detail: String,
    },
    /// The Rails engine drives the task; a task must be driven by one engine.
    #[error("the Rails engine drives this task; act on it there")]
    NotDriven,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OperateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl OperateError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "TSK-1004",
            Self::NotAllowed { .. } => "TSK-2002",
            Self::NotDriven => "TSK-2003",
            Self::Store(error) => error.code(),
        }
    }
}

const OPERATOR: &str = concat!(
    include_str!("sql/operator.sql"),
    include_str!("sql/propagate.sql"),
    include_str!("sql/enqueue.sql"),
    include_str!("sql/settle.sql")
);

/// A task under its lock.
struct LockedTask {
    task_id: i64,
    namespace: Namespace,
    state: State,
}

impl LockedTask {
    async fn lock(connection: &mut PgConnection, task_id: i64) -> Result<Self, OperateError> {
        let run: Option<String> = sqlx::query_scalar(
            "SELECT namespace FROM tasker.task_runs WHERE task_id = $1 FOR NO KEY UPDATE",
        )
        .bind(task_id)
        .fetch_optional(&mut *connection)
        .await?;
        let state: Option<Option<String>> = sqlx::query_scalar(
            "SELECT x.to_state FROM tasker_tasks t
               LEFT JOIN tasker_task_transitions x ON x.task_id = t.task_id AND x.most_recent
              WHERE t.task_id = $1",
        )
        .bind(task_id)
        .fetch_optional(connection)
        .await?;
        let Some(state) = state else {
            return Err(OperateError::NotFound { what: "task" });
        };
        let namespace = run.as_deref().and_then(|name| Namespace::parse(name).ok());
        let Some(namespace) = namespace else {
            return Err(OperateError::NotDriven);
        };
        let state = state
            .as_deref()
            .and_then(State::parse)
            .unwrap_or(State::Pending);
        Ok(Self {
            task_id,
            namespace,
            state,
        })
    }
}

/// A step under its lock.
struct LockedStep {
    step_id: i64,
    name: String,
    state: State,
    in_process: bool,
    /// Waits for a due time.
    delayed: bool,
}

impl LockedStep {
    /// Failed with no attempt left.
    fn failed_for_good(&self) -> bool {
        self.state == State::Error && !self.delayed
    }
}

/// Locks steps of a task: all of them, or one.
async fn lock_steps(
    connection: &mut PgConnection,
    task_id: i64,
    step_id: Option<i64>,
) -> Result<Vec<LockedStep>, OperateError> {
    sqlx::query(
        "SELECT 1 FROM tasker_workflow_steps
          WHERE task_id = $1 AND ($2::bigint IS NULL OR workflow_step_id = $2)
          ORDER BY workflow_step_id FOR NO KEY UPDATE",
    )
    .bind(task_id)
    .bind(step_id)
    .fetch_all(&mut *connection)
    .await?;
    // Read again: a claim that was under way has changed the row since the
    // statement above took its snapshot.
    let rows = sqlx::query(
        "SELECT s.workflow_step_id, n.name, s.in_process, x.to_state, d.workflow_step_id IS NOT NULL AS delayed
           FROM tasker_workflow_steps s
           JOIN tasker_named_steps n USING (named_step_id)
           LEFT JOIN tasker_workflow_step_transitions x
                  ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
           LEFT JOIN tasker.step_delays d ON d.workflow_step_id = s.workflow_step_id
          WHERE s.task_id = $1 AND ($2::bigint IS NULL OR s.workflow_step_id = $2)
          ORDER BY s.workflow_step_id",
    )
    .bind(task_id)
    .bind(step_id)
    .fetch_all(connection)
    .await?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let in_process: bool = row.try_get("in_process")?;
        let stored: Option<String> = row.try_get("to_state")?;
        let stored = stored
            .as_deref()
            .and_then(State::parse)
            .unwrap_or(State::Pending);
        steps.push(LockedStep {
            step_id: row.try_get("workflow_step_id")?,
            name: row.try_get("name")?,
            state: if in_process {
                State::InProgress
            } else {
                stored
            },
            in_process,
            delayed: row.try_get("delayed")?,
        });
    }
    Ok(steps)
}

/// Takes messages and delays of steps away; returns the steps that had one.
///
/// Reads the whole queue: messages are found by their content, and an index for
/// the sake of this rare verb would be written for every step.
async fn detach(
    connection: &mut PgConnection,
    namespace: &Namespace,
    steps: &[i64],
) -> Result<Vec<i64>, OperateError> {
    let statement = queue::for_namespace(
        "WITH messages AS (
            DELETE FROM pgmq.{queue} WHERE (message->>'step_id')::bigint = ANY ($1)
            RETURNING (message->>'step_id')::bigint AS step_id
        ), delays AS (
            DELETE FROM tasker.step_delays WHERE workflow_step_id = ANY ($1) RETURNING workflow_step_id
        )
        SELECT step_id FROM messages UNION SELECT workflow_step_id FROM delays",
        namespace,
    );
    Ok(sqlx::query_scalar(&statement)
        .bind(steps)
        .fetch_all(connection)
        .await?)
}

/// Makes sure that a step which has not become ready yet never does.
async fn seal(
    connection: &mut PgConnection,
    task_id: i64,
    steps: &[i64],
) -> Result<(), OperateError> {
    sqlx::query(
        "INSERT INTO tasker.step_gates (workflow_step_id, task_id, unmet, sealed)
         SELECT s, $2, 1, true FROM unnest($1::bigint[]) s
         ON CONFLICT (workflow_step_id) DO UPDATE SET sealed = true",
    )
    .bind(steps)
    .bind(task_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// How a verb changes the counters and the children of one step.
#[derive(Debug, Clone, Copy, Default)]
struct Effect {
    active: i32,
    unfinished: i32,
    failed: i32,
}

/// Runs the shared tail for steps changed by a verb; true if any was enqueued.
async fn propagate(
    connection: &mut PgConnection,
    task: &LockedTask,
    effects: &[(i64, Effect)],
    satisfies: bool,
    again: bool,
) -> Result<bool, OperateError> {
    let row = sqlx::query(&queue::for_namespace(OPERATOR, &task.namespace))
        .bind(effects.iter().map(|(step, _)| *step).collect::<Vec<_>>())
        .bind(task.task_id)
        .bind(satisfies)
        .bind(again)
        .bind(effects.iter().map(|(_, e)| e.active).collect::<Vec<_>>())
        .bind(
            effects
                .iter()
                .map(|(_, e)| e.unfinished)
                .collect::<Vec<_>>(),
        )
        .bind(effects.iter().map(|(_, e)| e.failed).collect::<Vec<_>>())
        .fetch_one(connection)
        .await?;
    let opened = row.try_get::<i64, _>("enqueued")? > 0;
    Ok(opened || (again && !effects.is_empty()))
}

/// Audit metadata of a verb.
fn metadata(action: &str, reason: Option<&str>, operator: Option<&str>) -> Value {
    let mut fields = Map::new();
    fields.insert("action".into(), json!(action));
    let given = [("reason", reason), ("operator", operator)];
    for (key, value) in given {
        if let Some(value) = value {
            fields.insert(key.into(), json!(value));
        }
    }
    Value::Object(fields)
}
