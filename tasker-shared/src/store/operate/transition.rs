//! Transition rows of operator verbs.

use serde_json::Value;
use sqlx::PgConnection;

use super::OperateError;
use crate::domain::State;

/// Writes one transition for each of `steps`, from wherever they are.
///
/// The caller has checked that the move exists. With folded audit a running
/// step's start has no row yet: [`start_running`] writes it first.
pub(super) async fn steps(
    connection: &mut PgConnection,
    steps: &[i64],
    to: State,
    metadata: &Value,
) -> Result<(), OperateError> {
    sqlx::query(
        "WITH closed AS (
            UPDATE tasker_workflow_step_transitions
               SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
             WHERE workflow_step_id = ANY ($1) AND most_recent
            RETURNING workflow_step_id, to_state, sort_key
        )
        INSERT INTO tasker_workflow_step_transitions
               (workflow_step_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
        SELECT s, COALESCE(c.to_state, 'pending'), $2, $3, COALESCE(c.sort_key, 0) + 10, true,
               statement_timestamp() AT TIME ZONE 'UTC', statement_timestamp() AT TIME ZONE 'UTC'
          FROM unnest($1::bigint[]) s LEFT JOIN closed c ON c.workflow_step_id = s",
    )
    .bind(steps)
    .bind(to.as_str())
    .bind(metadata)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the start of the attempts under way that has no row yet.
pub(super) async fn start_running(
    connection: &mut PgConnection,
    steps: &[i64],
) -> Result<(), OperateError> {
    sqlx::query(
        "WITH starting AS (
            SELECT s.workflow_step_id, s.last_attempted_at, COALESCE(x.to_state, 'pending') AS from_state,
                   COALESCE(x.sort_key, 0) + 10 AS sort_key
              FROM tasker_workflow_steps s
              LEFT JOIN tasker_workflow_step_transitions x
                     ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
             WHERE s.workflow_step_id = ANY ($1) AND x.to_state IS DISTINCT FROM 'in_progress'
        ), closed AS (
            UPDATE tasker_workflow_step_transitions x
               SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
              FROM starting s
             WHERE x.workflow_step_id = s.workflow_step_id AND x.most_recent
            RETURNING x.workflow_step_id
        )
        INSERT INTO tasker_workflow_step_transitions
               (workflow_step_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
        SELECT s.workflow_step_id, s.from_state, 'in_progress', '{}'::jsonb, s.sort_key, true,
               s.last_attempted_at, s.last_attempted_at
          FROM starting s LEFT JOIN closed c USING (workflow_step_id)",
    )
    .bind(steps)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes one transition of a task, from wherever it is.
pub(super) async fn task(
    connection: &mut PgConnection,
    task_id: i64,
    to: State,
    metadata: &Value,
) -> Result<(), OperateError> {
    sqlx::query(
        "WITH closed AS (
            UPDATE tasker_task_transitions
               SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
             WHERE task_id = $1 AND most_recent
            RETURNING to_state, sort_key
        )
        INSERT INTO tasker_task_transitions
               (task_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
        SELECT $1, COALESCE(c.to_state, 'pending'), $2, $3, COALESCE(c.sort_key, 0) + 10, true,
               statement_timestamp() AT TIME ZONE 'UTC', statement_timestamp() AT TIME ZONE 'UTC'
          FROM (SELECT 1) one LEFT JOIN closed c ON true",
    )
    .bind(task_id)
    .bind(to.as_str())
    .bind(metadata)
    .execute(connection)
    .await?;
    Ok(())
}

/// Brings a task that ended in error back to work: there are steps to run again.
pub(super) async fn revive(
    connection: &mut PgConnection,
    task: &super::LockedTask,
    metadata: &Value,
) -> Result<(), OperateError> {
    if task.state == State::Error {
        self::task(connection, task.task_id, State::Pending, metadata).await?;
        self::task(
            connection,
            task.task_id,
            State::InProgress,
            &serde_json::json!({}),
        )
        .await?;
    }
    Ok(())
}
