//! Verbs on one step.

use serde_json::Value;
use sqlx::PgConnection;

use super::{
    begin, detach, lock_steps, metadata, propagate, seal, tasks, transition, Effect, LockedStep,
    LockedTask, OperateError,
};
use crate::domain::State;
use crate::messaging::Channel;
use crate::store::{Store, StoreError};
use crate::wire::{OperatorRequest, ResolveRequest};

/// Cancels a step that has not finished. Its descendants will not run; the task
/// ends when nothing else of it can.
///
/// # Errors
/// `NotFound`, `NotDriven`; `NotAllowed` for a step that is over or has failed.
pub async fn cancel_step(
    store: &Store,
    task_id: i64,
    step_id: i64,
    request: &OperatorRequest,
) -> Result<(), OperateError> {
    let mut transaction = begin(store.pool()).await?;
    let (task, step) = lock(&mut transaction, task_id, step_id).await?;
    let open = matches!(step.state, State::Pending | State::InProgress)
        || (step.state == State::Error && step.delayed);
    if !open || task.state.is_final() {
        return Err(refused(
            "cancel",
            &task,
            &step,
            "resolve a failed step instead",
        ));
    }
    let metadata = metadata(
        "cancel",
        request.reason.as_deref(),
        request.operator.as_deref(),
    );
    let steps = [step_id];
    let was_active = !detach(&mut transaction, &task.namespace, &steps)
        .await?
        .is_empty();
    if step.in_process {
        transition::start_running(&mut transaction, &steps).await?;
        sqlx::query(
            "UPDATE tasker_workflow_steps SET in_process = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
              WHERE workflow_step_id = $1",
        )
        .bind(step_id)
        .execute(&mut *transaction)
        .await?;
    }
    if step.state == State::Error {
        transition::steps(&mut transaction, &steps, State::Pending, &metadata).await?;
    }
    transition::steps(&mut transaction, &steps, State::Cancelled, &metadata).await?;
    if !was_active {
        seal(&mut transaction, task_id, &steps).await?;
    }
    let effect = Effect {
        active: -i32::from(was_active),
        ..Effect::default()
    };
    propagate(&mut transaction, &task, &[(step_id, effect)], false, false).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    store.tell(&[Channel::Cancelled]).await;
    Ok(())
}

/// Runs a failed step again, or one that waits for its next attempt or for a
/// handler at once; attempts are counted from the start.
///
/// # Errors
/// `NotFound`, `NotDriven`; `NotAllowed` for any other step.
pub async fn retry_step(
    store: &Store,
    task_id: i64,
    step_id: i64,
    request: &OperatorRequest,
) -> Result<(), OperateError> {
    let mut transaction = begin(store.pool()).await?;
    let (task, step) = lock(&mut transaction, task_id, step_id).await?;
    let retryable = step.state == State::Error || step.delayed;
    if !retryable || matches!(task.state, State::Cancelled | State::Complete) {
        return Err(refused(
            "retry",
            &task,
            &step,
            "only a failed or waiting step can be retried",
        ));
    }
    let metadata = metadata(
        "retry",
        request.reason.as_deref(),
        request.operator.as_deref(),
    );
    tasks::retry(&mut transaction, &task, &[&step], &metadata).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    store.tell(&[Channel::Steps(task.namespace)]).await;
    Ok(())
}

/// Closes a step by hand with the results its children will read. A task that
/// had ended in error goes on.
///
/// # Errors
/// `NotFound`, `NotDriven`; `NotAllowed` for a step that is running or over.
pub async fn resolve_step(
    store: &Store,
    task_id: i64,
    step_id: i64,
    request: &ResolveRequest,
) -> Result<(), OperateError> {
    let mut transaction = begin(store.pool()).await?;
    let (task, step) = lock(&mut transaction, task_id, step_id).await?;
    let open = matches!(step.state, State::Pending | State::Error);
    if !open || matches!(task.state, State::Cancelled | State::Complete) {
        return Err(refused(
            "resolve",
            &task,
            &step,
            "a running step can be cancelled, or waited for",
        ));
    }
    let metadata = metadata(
        "resolve",
        request.reason.as_deref(),
        request.operator.as_deref(),
    );
    let steps = [step_id];
    let was_active = !detach(&mut transaction, &task.namespace, &steps)
        .await?
        .is_empty();
    if request.results != Value::Null {
        sqlx::query(
            "UPDATE tasker_workflow_steps SET results = $2, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
              WHERE workflow_step_id = $1",
        )
        .bind(step_id)
        .bind(&request.results)
        .execute(&mut *transaction)
        .await?;
    }
    transition::revive(&mut transaction, &task, &metadata).await?;
    transition::steps(&mut transaction, &steps, State::ResolvedManually, &metadata).await?;
    if !was_active && step.state == State::Pending {
        seal(&mut transaction, task_id, &steps).await?;
    }
    let effect = Effect {
        active: -i32::from(was_active),
        unfinished: -1,
        failed: -i32::from(step.failed_for_good()),
    };
    propagate(&mut transaction, &task, &[(step_id, effect)], true, false).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    store.tell(&[Channel::Steps(task.namespace)]).await;
    Ok(())
}

async fn lock(
    connection: &mut PgConnection,
    task_id: i64,
    step_id: i64,
) -> Result<(LockedTask, LockedStep), OperateError> {
    let task = LockedTask::lock(connection, task_id).await?;
    let step = lock_steps(connection, task_id, Some(step_id)).await?.pop();
    Ok((
        task,
        step.ok_or(OperateError::NotFound {
            what: "step of this task",
        })?,
    ))
}

fn refused(verb: &str, task: &LockedTask, step: &LockedStep, hint: &str) -> OperateError {
    OperateError::NotAllowed {
        state: step.state,
        detail: format!(
            "cannot {verb} step {}: it is {} in a task that is {}; {hint}",
            step.name, step.state, task.state
        ),
    }
}
