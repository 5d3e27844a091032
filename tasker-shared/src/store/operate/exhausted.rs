//! Steps whose retry limit was lowered, by an operator of the Rails engine or by
//! hand, to no more than the attempts they have made: no claim takes them any
//! more, so they end here.

use sqlx::PgConnection;

use super::{detach, lock_steps, propagate, transition, Effect, LockedTask, OperateError};
use crate::domain::{Namespace, State, StepError};
use crate::store::{begin, queue, Store, StoreError};

/// Fails the enqueued steps of one namespace that have no attempt left, and
/// returns how many there were. Part of the repairs.
///
/// # Errors
/// As for any verb.
pub async fn fail_exhausted(store: &Store, namespace: &Namespace) -> Result<usize, OperateError> {
    let find = format!("SELECT s.task_id, s.workflow_step_id {EXHAUSTED} LIMIT 100");
    let found: Vec<(i64, i64)> = sqlx::query_as(&queue::for_namespace(&find, namespace))
        .fetch_all(store.pool())
        .await?;
    let mut failed = 0;
    for (task_id, step_id) in found {
        let mut transaction = begin(store.pool()).await?;
        let task = LockedTask::lock(&mut transaction, task_id).await?;
        let steps = lock_steps(&mut transaction, task_id, Some(step_id)).await?;
        // Whatever happened since the look above is seen now, under the lock.
        let waiting = steps
            .iter()
            .any(|s| s.state == State::Pending && !s.in_process);
        if waiting && record(&mut transaction, step_id).await? {
            let none = serde_json::json!({});
            transition::steps(&mut transaction, &[step_id], State::Error, &none).await?;
            detach(&mut transaction, namespace, &[step_id]).await?;
            let effect = Effect {
                active: -1,
                unfinished: 0,
                failed: 1,
            };
            propagate(&mut transaction, &task, &[(step_id, effect)], false, false).await?;
            failed += 1;
        }
        transaction.commit().await.map_err(StoreError::from)?;
    }
    Ok(failed)
}

/// Enqueued steps of one namespace that have no attempt left. Claims pass them by,
/// so they gather at the front of the queue: no further is looked. Plan: primary keys.
pub(in crate::store) const EXHAUSTED: &str = "
      FROM tasker_workflow_steps s
     WHERE s.workflow_step_id = ANY (ARRAY(
            SELECT (message->>'step_id')::bigint
              FROM pgmq.{queue} WHERE vt <= statement_timestamp() ORDER BY msg_id LIMIT 1000))
       AND NOT s.in_process AND NOT s.processed
       AND COALESCE(s.attempts, 0) >= COALESCE(s.retry_limit, 3)";

/// Writes the error to the step and to the record of its failures; false if it
/// has attempts left after all.
async fn record(connection: &mut PgConnection, step_id: i64) -> Result<bool, OperateError> {
    let error = StepError::permanent("the retry limit was lowered to the attempts already made")
        .with_class("Tasker::RetryLimitLowered");
    let written = sqlx::query(
        "WITH step AS (
            UPDATE tasker_workflow_steps
               SET results = CASE WHEN jsonb_typeof(results) = 'object' THEN results ELSE '{}'::jsonb END || $2,
                   updated_at = statement_timestamp() AT TIME ZONE 'UTC'
             WHERE workflow_step_id = $1 AND COALESCE(attempts, 0) >= COALESCE(retry_limit, 3)
            RETURNING workflow_step_id, COALESCE(attempts, 0) AS attempts, last_attempted_at
        )
        INSERT INTO tasker.step_failures (workflow_step_id, attempt, kind, error, started_at, failed_at)
        SELECT workflow_step_id, attempts, $3, $4, last_attempted_at, statement_timestamp() AT TIME ZONE 'UTC'
          FROM step",
    )
    .bind(step_id)
    .bind(error.result_keys())
    .bind(error.kind.as_str())
    .bind(serde_json::json!(error))
    .execute(connection)
    .await?;
    Ok(written.rows_affected() == 1)
}
