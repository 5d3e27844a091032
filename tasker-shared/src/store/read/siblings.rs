//! All steps of a task, as a handler may look at them while it runs.
//!
//! One statement, by the index on a step's task: handlers that look at their siblings do
//! so in every attempt.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::Row;

use super::{state_of, utc, utc_or_none};
use crate::domain::State;
use crate::store::{Store, StoreError};

/// A step's row with its state and the steps before it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStep {
    pub step_id: i64,
    pub named_step_id: i32,
    pub name: String,
    pub state: State,
    /// Executions that have ended.
    pub attempts: i32,
    pub retry_limit: i32,
    pub retryable: bool,
    pub skippable: bool,
    pub backoff_request_seconds: Option<i32>,
    pub results: Value,
    pub inputs: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub processed_at: Option<DateTime<Utc>>,
    /// End of the last of them. The row has the start of a running one, which is no
    /// attempt yet to who knows the Rails engine.
    pub last_attempted_at: Option<DateTime<Utc>>,
    /// Step ids, ascending.
    pub parent_ids: Vec<i64>,
}

/// $1 task id. Plan: the index of `tasker_workflow_steps` on `task_id`; the rest by step id, one look each.
const TASK_STEPS: &str = "
    SELECT s.workflow_step_id, s.named_step_id, n.name, x.to_state, s.in_process,
           COALESCE(s.attempts, 0) - s.in_process::integer AS attempts, COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable,
           s.skippable, s.backoff_request_seconds, s.results, s.inputs, s.created_at, s.updated_at, s.processed_at,
           CASE WHEN s.in_process
                THEN (SELECT f.failed_at FROM tasker.step_failures f
                       WHERE f.workflow_step_id = s.workflow_step_id ORDER BY f.failure_id DESC LIMIT 1)
                ELSE s.last_attempted_at END AS last_attempted_at,
           r.definition_id,
           ARRAY(SELECT e.from_step_id FROM tasker_workflow_step_edges e
                  WHERE e.to_step_id = s.workflow_step_id ORDER BY e.from_step_id) AS parent_ids
      FROM tasker_workflow_steps s
      JOIN tasker_named_steps n USING (named_step_id)
      LEFT JOIN tasker.task_runs r ON r.task_id = s.task_id
      LEFT JOIN tasker_workflow_step_transitions x
             ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
     WHERE s.task_id = $1
     ORDER BY s.workflow_step_id";

/// The steps of a task in template order (creation order without a template); none
/// without such a task.
///
/// # Errors
/// As for any statement.
pub async fn task_steps(store: &Store, task_id: i64) -> Result<Vec<TaskStep>, StoreError> {
    let rows = sqlx::query(TASK_STEPS)
        .bind(task_id)
        .fetch_all(store.pool())
        .await?;
    let definition = match rows.first() {
        Some(row) => row.try_get::<Option<i64>, _>("definition_id")?,
        None => None,
    };
    let definition = match definition {
        Some(id) => Some(store.definition(id).await?),
        None => None,
    };
    let mut steps = Vec::with_capacity(rows.len());
    for row in &rows {
        let named_step_id: i32 = row.try_get("named_step_id")?;
        let place = definition
            .as_ref()
            .and_then(|definition| definition.index_of(named_step_id));
        steps.push((place.unwrap_or(usize::MAX), step_of(row)?));
    }
    steps.sort_by_key(|(place, _)| *place);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

fn step_of(row: &PgRow) -> Result<TaskStep, StoreError> {
    let json = |column: &str| -> Result<Value, sqlx::Error> {
        Ok(row
            .try_get::<Option<Value>, _>(column)?
            .unwrap_or(Value::Null))
    };
    Ok(TaskStep {
        step_id: row.try_get("workflow_step_id")?,
        named_step_id: row.try_get("named_step_id")?,
        name: row.try_get("name")?,
        // With folded audit the row of the running attempt is not written yet.
        state: if row.try_get("in_process")? {
            State::InProgress
        } else {
            state_of(row, "to_state")?
        },
        attempts: row.try_get("attempts")?,
        retry_limit: row.try_get("retry_limit")?,
        retryable: row.try_get("retryable")?,
        skippable: row.try_get("skippable")?,
        backoff_request_seconds: row.try_get("backoff_request_seconds")?,
        results: json("results")?,
        inputs: json("inputs")?,
        created_at: utc(row, "created_at")?,
        updated_at: utc(row, "updated_at")?,
        processed_at: utc_or_none(row, "processed_at")?,
        last_attempted_at: utc_or_none(row, "last_attempted_at")?,
        parent_ids: row.try_get("parent_ids")?,
    })
}
