//! Verbs on a whole task.

use super::{
    begin, detach, lock_steps, metadata, propagate, transition, Effect, LockedStep, LockedTask,
    OperateError,
};
use crate::domain::State;
use crate::messaging::Channel;
use crate::store::Store;
use crate::wire::OperatorRequest;

/// Cancels a task: what has not finished never will. Running handlers are told;
/// whatever they still report is stale. Steps that failed stay in error.
///
/// # Errors
/// `NotFound`, `NotDriven`; `NotAllowed` for a task that is over.
pub async fn cancel_task(
    store: &Store,
    task_id: i64,
    request: &OperatorRequest,
) -> Result<(), OperateError> {
    let mut transaction = begin(store.pool()).await?;
    let task = LockedTask::lock(&mut transaction, task_id).await?;
    if task.state.is_final() {
        return Err(OperateError::NotAllowed {
            state: task.state,
            detail: format!(
                "the task is {} already: there is nothing to cancel",
                task.state
            ),
        });
    }
    let metadata = metadata(
        "cancel",
        request.reason.as_deref(),
        request.operator.as_deref(),
    );
    let steps = lock_steps(&mut transaction, task_id, None).await?;
    let ids = |wanted: fn(&LockedStep) -> bool| -> Vec<i64> {
        steps
            .iter()
            .filter(|s| wanted(s))
            .map(|s| s.step_id)
            .collect()
    };
    let running = ids(|s| s.in_process);
    let open = ids(|s| matches!(s.state, State::Pending | State::InProgress));
    // No move leads from error to cancelled: what waits for its next attempt
    // stays where its last one left it.
    let backing_off = ids(|s| s.state == State::Error && s.delayed);
    transition::start_running(&mut transaction, &running).await?;
    transition::steps(&mut transaction, &open, State::Cancelled, &metadata).await?;
    sqlx::query(
        "UPDATE tasker_workflow_steps SET in_process = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
          WHERE workflow_step_id = ANY ($1)",
    )
    .bind(&running)
    .execute(&mut *transaction)
    .await?;
    let all: Vec<i64> = open.iter().chain(&backing_off).copied().collect();
    detach(&mut transaction, &task.namespace, &all).await?;
    sqlx::query("UPDATE tasker.task_runs SET active = 0, failed = failed + $2 WHERE task_id = $1")
        .bind(task_id)
        .bind(backing_off.len() as i32)
        .execute(&mut *transaction)
        .await?;
    transition::task(&mut transaction, task_id, State::Cancelled, &metadata).await?;
    transaction
        .commit()
        .await
        .map_err(crate::store::StoreError::from)?;
    store.tell(&[Channel::Cancelled]).await;
    Ok(())
}

/// Runs every failed step of a task again, attempts counted from the start.
///
/// # Errors
/// `NotFound`, `NotDriven`; `NotAllowed` if no step has failed or the task was
/// cancelled.
pub async fn retry_task(
    store: &Store,
    task_id: i64,
    request: &OperatorRequest,
) -> Result<(), OperateError> {
    let mut transaction = begin(store.pool()).await?;
    let task = LockedTask::lock(&mut transaction, task_id).await?;
    let steps = lock_steps(&mut transaction, task_id, None).await?;
    let failed: Vec<&LockedStep> = steps.iter().filter(|s| s.state == State::Error).collect();
    let over = matches!(
        task.state,
        State::Cancelled | State::Complete | State::ResolvedManually
    );
    if failed.is_empty() || over {
        return Err(OperateError::NotAllowed {
            state: task.state,
            detail: if over {
                format!("the task is {}: submit a new one instead", task.state)
            } else {
                "no step of the task has failed: there is nothing to retry".to_owned()
            },
        });
    }
    let metadata = metadata(
        "retry",
        request.reason.as_deref(),
        request.operator.as_deref(),
    );
    retry(&mut transaction, &task, &failed, &metadata).await?;
    transaction
        .commit()
        .await
        .map_err(crate::store::StoreError::from)?;
    store.tell(&[Channel::Steps(task.namespace)]).await;
    Ok(())
}

/// Puts failed steps back into the queue with a fresh count of attempts.
pub(super) async fn retry(
    connection: &mut sqlx::PgConnection,
    task: &LockedTask,
    steps: &[&LockedStep],
    metadata: &serde_json::Value,
) -> Result<(), OperateError> {
    let ids: Vec<i64> = steps.iter().map(|s| s.step_id).collect();
    let in_error: Vec<i64> = steps
        .iter()
        .filter(|s| s.state == State::Error)
        .map(|s| s.step_id)
        .collect();
    detach(connection, &task.namespace, &ids).await?;
    transition::revive(connection, task, metadata).await?;
    transition::steps(connection, &in_error, State::Pending, metadata).await?;
    sqlx::query(
        "UPDATE tasker_workflow_steps
            SET attempts = 0, backoff_request_seconds = NULL, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
          WHERE workflow_step_id = ANY ($1)",
    )
    .bind(&ids)
    .execute(&mut *connection)
    .await?;
    let effects: Vec<(i64, Effect)> = steps
        .iter()
        .map(|step| {
            let revived = i32::from(step.failed_for_good());
            (
                step.step_id,
                Effect {
                    active: revived,
                    unfinished: 0,
                    failed: -revived,
                },
            )
        })
        .collect();
    propagate(connection, task, &effects, false, true).await?;
    Ok(())
}
