//! Tasks, one and many.

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};

use super::{state_of, utc};
use crate::domain::State;
use crate::store::{Store, StoreError};
use crate::wire::{StepCounts, TaskFilter, TaskPage, TaskView};

/// Why a list could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the cursor is not one this service gave out")]
    BadCursor,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

const COLUMNS: &str = "
    SELECT t.task_id, ns.name AS namespace, n.name, n.version, x.to_state, t.complete,
           t.initiator, t.source_system, t.reason, t.tags, t.context,
           r.task_id IS NOT NULL AS driven, COALESCE(r.priority, 0) AS priority,
           r.idempotency_key, r.correlation_id, t.requested_at, t.created_at,
           COALESCE(x.created_at, t.created_at) AS state_since
      FROM tasker_tasks t
      JOIN tasker_named_tasks n USING (named_task_id)
      JOIN tasker_task_namespaces ns ON ns.task_namespace_id = n.task_namespace_id
      LEFT JOIN tasker_task_transitions x ON x.task_id = t.task_id AND x.most_recent
      LEFT JOIN tasker.task_runs r ON r.task_id = t.task_id
     WHERE true";

const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

/// A page of tasks, newest first. The cursor is the last id of the page before,
/// so a page costs the same however far back it is.
///
/// # Errors
/// `BadCursor`; what the database says.
pub async fn tasks(store: &Store, filter: &TaskFilter) -> Result<TaskPage, ReadError> {
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    if let Some(cursor) = &filter.cursor {
        let last = cursor
            .strip_prefix('t')
            .and_then(|id| i64::from_str_radix(id, 16).ok())
            .ok_or(ReadError::BadCursor)?;
        query.push(" AND t.task_id < ").push_bind(last);
    }
    let texts = [
        (" AND ns.name = ", &filter.namespace),
        (" AND n.version = ", &filter.version),
        (" AND t.initiator = ", &filter.initiator),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value.as_str());
        }
    }
    if let Some(name) = &filter.name {
        query.push(" AND (n.name = ").push_bind(name.as_str());
        let qualified = name.split_once('/').filter(|_| filter.namespace.is_none());
        if let Some((namespace, name)) = qualified {
            query.push(" OR ns.name = ").push_bind(namespace);
            query.push(" AND n.name = ").push_bind(name);
        }
        query.push(")");
    }
    if let Some(state) = filter.state {
        query
            .push(" AND COALESCE(x.to_state, 'pending') = ")
            .push_bind(state.as_str());
    }
    if let Some(tag) = &filter.tag {
        query
            .push(" AND t.tags @> ")
            .push_bind(serde_json::json!([tag]));
    }
    if let Some(from) = filter.from {
        query
            .push(" AND t.requested_at >= ")
            .push_bind(from.naive_utc());
    }
    if let Some(to) = filter.to {
        query
            .push(" AND t.requested_at < ")
            .push_bind(to.naive_utc());
    }
    query
        .push(" ORDER BY t.task_id DESC LIMIT ")
        .push_bind(i64::from(limit) + 1);
    let rows = query.build().fetch_all(store.pool()).await?;
    let mut tasks = rows.iter().map(view_of).collect::<Result<Vec<_>, _>>()?;
    let more = tasks.len() > limit as usize;
    tasks.truncate(limit as usize);
    let last = tasks.last().filter(|_| more);
    let next_cursor = last.map(|task| format!("t{:x}", task.task_id));
    Ok(TaskPage { tasks, next_cursor })
}

pub(super) async fn one(store: &Store, task_id: i64) -> Result<Option<TaskView>, StoreError> {
    let row = QueryBuilder::<Postgres>::new(COLUMNS)
        .push(" AND t.task_id = ")
        .push_bind(task_id)
        .build()
        .fetch_optional(store.pool())
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let mut view = view_of(&row)?;
    view.step_counts = Some(step_counts(store, task_id).await?);
    Ok(Some(view))
}

async fn step_counts(store: &Store, task_id: i64) -> Result<StepCounts, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT CASE WHEN s.in_process THEN 'in_progress' ELSE COALESCE(x.to_state, 'pending') END, count(*)
           FROM tasker_workflow_steps s
           LEFT JOIN tasker_workflow_step_transitions x
                  ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
          WHERE s.task_id = $1
          GROUP BY 1",
    )
    .bind(task_id)
    .fetch_all(store.pool())
    .await?;
    let mut counts = StepCounts::default();
    for (state, n) in rows {
        counts.total += n;
        match State::parse(&state).unwrap_or(State::Pending) {
            State::Pending => counts.pending += n,
            State::InProgress => counts.in_progress += n,
            State::Complete => counts.complete += n,
            State::Error => counts.error += n,
            State::Cancelled => counts.cancelled += n,
            State::ResolvedManually => counts.resolved_manually += n,
        }
    }
    Ok(counts)
}

fn view_of(row: &PgRow) -> Result<TaskView, sqlx::Error> {
    let tags: Option<Value> = row.try_get("tags")?;
    let tags = tags
        .and_then(|tags| serde_json::from_value(tags).ok())
        .unwrap_or_default();
    Ok(TaskView {
        task_id: row.try_get("task_id")?,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        state: state_of(row, "to_state")?,
        complete: row.try_get("complete")?,
        initiator: row.try_get("initiator")?,
        source_system: row.try_get("source_system")?,
        reason: row.try_get("reason")?,
        tags,
        context: row
            .try_get::<Option<Value>, _>("context")?
            .unwrap_or(Value::Null),
        priority: row.try_get("priority")?,
        idempotency_key: row.try_get("idempotency_key")?,
        correlation_id: row.try_get("correlation_id")?,
        requested_at: utc(row, "requested_at")?,
        created_at: utc(row, "created_at")?,
        state_since: utc(row, "state_since")?,
        step_counts: None,
        steps: None,
        transitions: None,
        annotations: None,
        driven_by_core: row.try_get("driven")?,
    })
}
