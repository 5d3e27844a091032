//! The row of one task, as handlers and hooks of the Rails engine's API look at it.
//!
//! Apart from [`super::task`], which is what the REST API shows: this has every column of
//! the engine's table, and what the hooks at the end of a run need to know.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row;

use super::{state_of, utc, utc_or_none};
use crate::domain::State;
use crate::store::{Definition, Store, StoreError};

/// A task's row, with its names and its state.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub task_id: i64,
    pub named_task_id: i32,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub state: State,
    pub complete: bool,
    pub requested_at: DateTime<Utc>,
    pub initiator: Option<String>,
    pub source_system: Option<String>,
    pub reason: Option<String>,
    pub bypass_steps: Value,
    pub tags: Value,
    pub context: Value,
    pub identity_hash: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// When it last came into progress: at its submission, or when an operator had it go on.
    pub run_started_at: Option<DateTime<Utc>>,
    /// The step that no other depends on, if there is just one of them.
    pub only_sink: Option<String>,
}

/// $1 task id. Plan: primary keys; the index of transitions on their task.
const TASK_ROW: &str = "
    SELECT t.*, n.name, n.version, ns.name AS namespace, x.to_state, r.definition_id,
           (SELECT max(p.created_at) FROM tasker_task_transitions p
             WHERE p.task_id = t.task_id AND p.to_state = 'in_progress') AS run_started_at
      FROM tasker_tasks t
      JOIN tasker_named_tasks n USING (named_task_id)
      JOIN tasker_task_namespaces ns USING (task_namespace_id)
      LEFT JOIN tasker_task_transitions x ON x.task_id = t.task_id AND x.most_recent
      LEFT JOIN tasker.task_runs r ON r.task_id = t.task_id
     WHERE t.task_id = $1";

/// The row of a task; none without such a task.
///
/// # Errors
/// As for any statement.
pub async fn task_row(store: &Store, task_id: i64) -> Result<Option<TaskRow>, StoreError> {
    let row = sqlx::query(TASK_ROW)
        .bind(task_id)
        .fetch_optional(store.pool())
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let only_sink = match row.try_get::<Option<i64>, _>("definition_id")? {
        Some(id) => only_sink(&*store.definition(id).await?),
        None => None,
    };
    let json = |column: &str| -> Result<Value, sqlx::Error> {
        let value: Option<Value> = row.try_get(column)?;
        Ok(value.unwrap_or(Value::Null))
    };
    Ok(Some(TaskRow {
        task_id,
        named_task_id: row.try_get("named_task_id")?,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        state: state_of(&row, "to_state")?,
        complete: row.try_get("complete")?,
        requested_at: utc(&row, "requested_at")?,
        initiator: row.try_get("initiator")?,
        source_system: row.try_get("source_system")?,
        reason: row.try_get("reason")?,
        bypass_steps: json("bypass_steps")?,
        tags: json("tags")?,
        context: json("context")?,
        identity_hash: row.try_get("identity_hash")?,
        created_at: utc(&row, "created_at")?,
        updated_at: utc(&row, "updated_at")?,
        run_started_at: utc_or_none(&row, "run_started_at")?,
        only_sink,
    }))
}

fn only_sink(definition: &Definition) -> Option<String> {
    let graph = &definition.graph;
    let mut sinks = (0..graph.len()).filter(|index| graph.children(*index).is_empty());
    let (Some(sink), None) = (sinks.next(), sinks.next()) else {
        return None;
    };
    Some(definition.template.steps[sink].name.to_string())
}
