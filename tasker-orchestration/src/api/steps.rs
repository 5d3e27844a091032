//! `/v1/tasks/{task_id}/steps`: read steps, and the operator's verbs on one.
//!
//! Every verb answers with the step as it stands afterwards.

use axum::extract::State;
use axum::Json;
use tasker_shared::store::{operate, read};
use tasker_shared::wire::{OperatorRequest, ResolveRequest, StepList, StepView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Body, NoParams, OptionalBody, Params, StepId, TaskId};
use super::failures::operated;
use super::operator::check_operator;
use super::problem::{ApiError, ApiResult, NOT_FOUND};
use super::tasks::no_task;
use super::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_steps))
        .routes(routes!(get_step))
        .routes(routes!(retry_step))
        .routes(routes!(resolve_step))
        .routes(routes!(cancel_step))
}

/// Lists the steps of a task, in template order.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/steps", tag = "steps",
    params(("task_id" = i64, Path, description = "Id of the task")),
    responses(
        (status = 200, description = "The steps", body = StepList),
        (status = 404, description = "There is no such task"),
    )
)]
async fn list_steps(
    State(state): State<AppState>,
    TaskId(task_id): TaskId,
    Params(NoParams {}): Params<NoParams>,
) -> ApiResult<Json<StepList>> {
    let steps = read::steps(&state.store, task_id)
        .await?
        .ok_or_else(|| no_task(task_id))?;
    Ok(Json(StepList { steps }))
}

/// Shows a step with its inputs, results, failed attempts and audit trail.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/steps/{step_id}", tag = "steps",
    params(
        ("task_id" = i64, Path, description = "Id of the task"),
        ("step_id" = i64, Path, description = "Id of the step"),
    ),
    responses(
        (status = 200, description = "The step", body = StepView),
        (status = 404, description = "There is no such task, or no such step in it"),
    )
)]
async fn get_step(
    State(state): State<AppState>,
    id: StepId,
    Params(NoParams {}): Params<NoParams>,
) -> ApiResult<Json<StepView>> {
    shown(&state, &id).await
}

/// Retries a failed step: its attempts start again.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/steps/{step_id}/retry", tag = "steps",
    params(
        ("task_id" = i64, Path, description = "Id of the task"),
        ("step_id" = i64, Path, description = "Id of the step"),
    ),
    request_body = Option<OperatorRequest>,
    responses(
        (status = 200, description = "The step, due again", body = StepView),
        (status = 404, description = "There is no such task, or no such step in it"),
        (status = 409, description = "The step has not failed"),
    )
)]
async fn retry_step(
    State(state): State<AppState>,
    id: StepId,
    Params(NoParams {}): Params<NoParams>,
    OptionalBody(request): OptionalBody<OperatorRequest>,
) -> ApiResult<Json<StepView>> {
    check_operator(request.reason.as_deref(), request.operator.as_deref())?;
    let done = operate::retry_step(&state.store, id.task, id.step, &request).await;
    done.map_err(|error| operated(error, no_step(id.task, id.step)))?;
    shown(&state, &id).await
}

/// Closes a step by hand, with the results its children read.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/steps/{step_id}/resolve", tag = "steps",
    params(
        ("task_id" = i64, Path, description = "Id of the task"),
        ("step_id" = i64, Path, description = "Id of the step"),
    ),
    request_body = ResolveRequest,
    responses(
        (status = 200, description = "The step, resolved", body = StepView),
        (status = 404, description = "There is no such task, or no such step in it"),
        (status = 409, description = "The step runs or is finished"),
    )
)]
async fn resolve_step(
    State(state): State<AppState>,
    id: StepId,
    Params(NoParams {}): Params<NoParams>,
    Body(request): Body<ResolveRequest>,
) -> ApiResult<Json<StepView>> {
    check_operator(request.reason.as_deref(), request.operator.as_deref())?;
    let done = operate::resolve_step(&state.store, id.task, id.step, &request).await;
    done.map_err(|error| operated(error, no_step(id.task, id.step)))?;
    shown(&state, &id).await
}

/// Cancels a step: it never runs, nor do the steps that wait for it.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/steps/{step_id}/cancel", tag = "steps",
    params(
        ("task_id" = i64, Path, description = "Id of the task"),
        ("step_id" = i64, Path, description = "Id of the step"),
    ),
    request_body = Option<OperatorRequest>,
    responses(
        (status = 200, description = "The step, cancelled", body = StepView),
        (status = 404, description = "There is no such task, or no such step in it"),
        (status = 409, description = "The step is in a state that cannot be cancelled"),
    )
)]
async fn cancel_step(
    State(state): State<AppState>,
    id: StepId,
    Params(NoParams {}): Params<NoParams>,
    OptionalBody(request): OptionalBody<OperatorRequest>,
) -> ApiResult<Json<StepView>> {
    check_operator(request.reason.as_deref(), request.operator.as_deref())?;
    let done = operate::cancel_step(&state.store, id.task, id.step, &request).await;
    done.map_err(|error| operated(error, no_step(id.task, id.step)))?;
    shown(&state, &id).await
}

pub(crate) fn no_step(task_id: i64, step_id: i64) -> ApiError {
    ApiError::new(&NOT_FOUND, format!("task {task_id} has no step {step_id}"))
}

async fn shown(state: &AppState, id: &StepId) -> ApiResult<Json<StepView>> {
    let step = read::step(&state.store, id.task, id.step).await?;
    step.map(Json).ok_or_else(|| no_step(id.task, id.step))
}
