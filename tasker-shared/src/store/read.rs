//! Reading: tasks, steps, graphs and explanations, as the API shows them.
//!
//! Nothing here locks or writes. Tasks of the Rails engine in the same database
//! are shown too; what only our own tables know is absent for them.

mod explain;
mod facts;
mod siblings;
mod standing;
mod tasks;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::Row;

use super::{Store, StoreError};
use crate::domain::State;
use crate::wire::{
    FailureView, GraphEdge, GraphNode, StepView, TaskGraph, TaskView, TransitionView,
};

pub use explain::explain;
pub use facts::{task_row, TaskRow};
pub use siblings::{task_steps, TaskStep};
use standing::{Standing, StepRow};
pub use tasks::{tasks, ReadError};

/// One task; steps and transitions on demand.
///
/// # Errors
/// As for any statement.
pub async fn task(
    store: &Store,
    task_id: i64,
    include_steps: bool,
    include_transitions: bool,
) -> Result<Option<TaskView>, StoreError> {
    let Some(mut view) = tasks::one(store, task_id).await? else {
        return Ok(None);
    };
    if include_steps {
        view.steps = steps(store, task_id).await?;
    }
    if include_transitions {
        view.transitions = Some(transitions(store, task_id, None).await?);
    }
    Ok(Some(view))
}

/// The steps of a task in template order, without their inputs.
///
/// # Errors
/// As for any statement.
pub async fn steps(store: &Store, task_id: i64) -> Result<Option<Vec<StepView>>, StoreError> {
    let Some(standing) = Standing::load(store, task_id).await? else {
        return Ok(None);
    };
    let phases = standing.phases();
    let views = standing
        .steps
        .iter()
        .zip(phases)
        .map(|(step, phase)| view_of(&standing, step, phase));
    Ok(Some(views.collect()))
}

/// One step with inputs, failures, progress and its audit trail.
///
/// # Errors
/// As for any statement.
pub async fn step(
    store: &Store,
    task_id: i64,
    step_id: i64,
) -> Result<Option<StepView>, StoreError> {
    let Some(views) = steps(store, task_id).await? else {
        return Ok(None);
    };
    let Some(mut view) = views.into_iter().find(|view| view.step_id == step_id) else {
        return Ok(None);
    };
    let (inputs, progress): (Option<Value>, Option<Value>) = sqlx::query_as(
        "SELECT s.inputs, p.progress
           FROM tasker_workflow_steps s LEFT JOIN tasker.step_progress p USING (workflow_step_id)
          WHERE s.workflow_step_id = $1",
    )
    .bind(step_id)
    .fetch_one(store.pool())
    .await?;
    view.inputs = Some(inputs.unwrap_or(Value::Null));
    view.progress = progress;
    view.failures = Some(failures(store, step_id).await?);
    view.transitions = Some(transitions(store, task_id, Some(step_id)).await?);
    Ok(Some(view))
}

/// The DAG of a task.
///
/// # Errors
/// As for any statement.
pub async fn graph(store: &Store, task_id: i64) -> Result<Option<TaskGraph>, StoreError> {
    let Some(standing) = Standing::load(store, task_id).await? else {
        return Ok(None);
    };
    let phases = standing.phases();
    let levels = standing.levels();
    let nodes = standing
        .steps
        .iter()
        .zip(phases)
        .zip(levels)
        .map(|((step, phase), level)| GraphNode {
            step_id: step.step_id,
            name: step.name.clone(),
            state: step.state,
            phase,
            attempts: step.attempts,
            level,
        })
        .collect();
    let edges = standing
        .parents
        .iter()
        .enumerate()
        .flat_map(|(child, parents)| {
            let to = standing.steps[child].step_id;
            parents.iter().map(move |parent| (*parent, to))
        })
        .map(|(parent, to)| GraphEdge {
            from: standing.steps[parent].step_id,
            to,
        })
        .collect();
    Ok(Some(TaskGraph {
        task_id,
        name: standing.task_name.clone(),
        state: standing.task_state,
        nodes,
        edges,
    }))
}

fn view_of(standing: &Standing, step: &StepRow, phase: crate::wire::StepPhase) -> StepView {
    let index = standing.index[&step.step_id];
    let depends_on = standing.parents[index]
        .iter()
        .map(|p| standing.steps[*p].name.clone())
        .collect();
    StepView {
        step_id: step.step_id,
        task_id: standing.task_id,
        name: step.name.clone(),
        state: step.state,
        phase,
        attempts: step.attempts,
        retry_limit: step.retry_limit,
        retryable: step.retryable,
        in_process: step.in_process,
        processed: step.processed,
        processed_at: step.processed_at,
        last_attempted_at: step.last_attempted_at,
        next_attempt_at: step.due_at,
        handler_class: standing.handler_class(step).map(str::to_owned),
        depends_on,
        inputs: None,
        results: step.results.clone(),
        progress: None,
        failures: None,
        transitions: None,
    }
}

async fn failures(store: &Store, step_id: i64) -> Result<Vec<FailureView>, StoreError> {
    let rows = sqlx::query(
        "SELECT attempt, kind, error, started_at, failed_at
           FROM tasker.step_failures WHERE workflow_step_id = $1 ORDER BY failure_id",
    )
    .bind(step_id)
    .fetch_all(store.pool())
    .await?;
    let view = |row: PgRow| -> Result<FailureView, sqlx::Error> {
        Ok(FailureView {
            attempt: row.try_get("attempt")?,
            kind: row.try_get("kind")?,
            error: row.try_get("error")?,
            started_at: utc_or_none(&row, "started_at")?,
            failed_at: utc(&row, "failed_at")?,
        })
    };
    Ok(rows.into_iter().map(view).collect::<Result<_, _>>()?)
}

/// The audit trail, oldest first: of one step, or of the task and all its steps.
async fn transitions(
    store: &Store,
    task_id: i64,
    step_id: Option<i64>,
) -> Result<Vec<TransitionView>, StoreError> {
    let rows = sqlx::query(
        "SELECT NULL::bigint AS step_id, NULL::text AS step_name, from_state, to_state, sort_key, most_recent,
                metadata, created_at, id
           FROM tasker_task_transitions WHERE task_id = $1 AND $2::bigint IS NULL
         UNION ALL
         SELECT s.workflow_step_id, n.name, x.from_state, x.to_state, x.sort_key, x.most_recent,
                x.metadata, x.created_at, x.id
           FROM tasker_workflow_steps s
           JOIN tasker_named_steps n USING (named_step_id)
           JOIN tasker_workflow_step_transitions x USING (workflow_step_id)
          WHERE s.task_id = $1 AND ($2::bigint IS NULL OR s.workflow_step_id = $2)
          ORDER BY created_at, step_id NULLS FIRST, sort_key",
    )
    .bind(task_id)
    .bind(step_id)
    .fetch_all(store.pool())
    .await?;
    let view = |row: PgRow| -> Result<TransitionView, sqlx::Error> {
        Ok(TransitionView {
            step_id: row.try_get("step_id")?,
            step_name: row.try_get("step_name")?,
            from_state: row.try_get("from_state")?,
            to_state: row.try_get("to_state")?,
            sort_key: row.try_get("sort_key")?,
            most_recent: row.try_get("most_recent")?,
            metadata: row
                .try_get::<Option<Value>, _>("metadata")?
                .unwrap_or(Value::Null),
            created_at: utc(&row, "created_at")?,
        })
    };
    Ok(rows.into_iter().map(view).collect::<Result<_, _>>()?)
}

/// State by the name in a row; no row, or a name nobody writes, is pending.
fn state_of(row: &PgRow, column: &str) -> Result<State, sqlx::Error> {
    let name: Option<String> = row.try_get(column)?;
    Ok(name
        .as_deref()
        .and_then(State::parse)
        .unwrap_or(State::Pending))
}

fn utc(row: &PgRow, column: &str) -> Result<DateTime<Utc>, sqlx::Error> {
    Ok(row.try_get::<NaiveDateTime, _>(column)?.and_utc())
}

fn utc_or_none(row: &PgRow, column: &str) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    Ok(row
        .try_get::<Option<NaiveDateTime>, _>(column)?
        .map(|t| t.and_utc()))
}

type IndexOf = HashMap<i64, usize>;
