//! `/v1/tasks`: submit, list, read, and the operator's verbs on a task.
//!
//! A submission is judged here (`prepare`) and stored by the intake, which
//! gathers concurrent submissions into one transaction; the route only waits.

use axum::extract::State;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Json;
use chrono::Datelike as _;
use serde::Deserialize;
use tasker_shared::domain::{Namespace, TemplateName, Version};
use tasker_shared::store::submit::{NewTask, SubmitError, Submitted};
use tasker_shared::store::{operate, read, records, submit};
use tasker_shared::wire::{
    graph_text, AnnotationView, Explanation, OperatorRequest, TaskBatchItem, TaskBatchRequest,
    TaskBatchResponse, TaskFilter, TaskGraph, TaskPage, TaskRequest, TaskSubmitted, TaskView,
};
use tokio::task::JoinSet;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{from_value, Body, NoParams, OptionalBody, Params, TaskId, Traceparent};
use super::failures::operated;
use super::operator::check_operator;
use super::problem::{ApiError, ApiResult, INVALID_BODY, KEY_REUSED, NOT_FOUND};
use super::AppState;

/// Tasks of a page when the request does not say.
const PAGE_DEFAULT: u32 = 50;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(submit_task, list_tasks))
        .routes(routes!(submit_batch))
        .routes(routes!(get_task))
        .routes(routes!(get_graph))
        .routes(routes!(explain_task))
        .routes(routes!(cancel_task))
        .routes(routes!(retry_task))
}

pub(crate) fn no_task(task_id: i64) -> ApiError {
    ApiError::new(&NOT_FOUND, format!("there is no task {task_id}"))
}

/// Submits a task.
///
/// The context is checked against the template's JSON Schema before anything is
/// stored. The same idempotency key for the same template makes one task: a
/// repetition answers 200 with the task that exists.
#[utoipa::path(
    post, path = "/v1/tasks", tag = "tasks", request_body = TaskRequest,
    params(("traceparent" = Option<String>, Header, description = "W3C trace context, carried to every handler")),
    responses(
        (status = 201, description = "The task was created", body = TaskSubmitted),
        (status = 200, description = "A request with this identity made the task before", body = TaskSubmitted),
        (status = 409, description = "The idempotency key belongs to a request with other content"),
        (status = 422, description = "A field is wrong, the template is not registered, or its schema refuses the context"),
    )
)]
async fn submit_task(
    State(state): State<AppState>,
    Params(NoParams {}): Params<NoParams>,
    Traceparent(traceparent): Traceparent,
    Body(request): Body<TaskRequest>,
) -> ApiResult<Response> {
    let submitted = submit_one(state, request, traceparent).await?;
    let status = if submitted.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let place = format!("/v1/tasks/{}", submitted.task.task_id);
    Ok((status, [(header::LOCATION, place)], Json(submitted)).into_response())
}

async fn submit_one(
    state: AppState,
    request: TaskRequest,
    traceparent: Option<String>,
) -> ApiResult<TaskSubmitted> {
    let new = prepare(&state, request, traceparent).await?;
    let (duplicate, task) = match state.intake.submit(new).await? {
        Submitted::Created(task) => (false, task),
        Submitted::Duplicate(task) => (true, task),
        Submitted::Conflict { task_id } => {
            let detail = format!(
                "the idempotency key belongs to task {task_id}, which was asked for differently"
            );
            return Err(ApiError::new(&KEY_REUSED, detail).field("/idempotency_key", "is taken"));
        }
    };
    Ok(TaskSubmitted { duplicate, task })
}

/// Judges a request; one that names a template nobody has registered is judged
/// again if the disk of the service has it.
async fn prepare(
    state: &AppState,
    request: TaskRequest,
    traceparent: Option<String>,
) -> Result<NewTask, SubmitError> {
    let first = submit::prepare(&state.store, request.clone(), traceparent.clone()).await;
    let Err(SubmitError::UnknownTemplate {
        namespace,
        name,
        version,
        ..
    }) = &first
    else {
        return first;
    };
    let (Ok(namespace), Ok(name)) = (Namespace::parse(namespace), TemplateName::parse(name)) else {
        return first;
    };
    let version = version
        .as_deref()
        .and_then(|text| Version::parse(text).ok());
    if state
        .loader
        .load_named(&namespace, &name, version.as_ref())
        .await?
    {
        return submit::prepare(&state.store, request, traceparent).await;
    }
    first
}

/// Submits up to 1,000 tasks.
///
/// Each item is judged by itself and has its own outcome; the answer is 200
/// unless the batch as a whole cannot be read.
#[utoipa::path(
    post, path = "/v1/tasks/batch", tag = "tasks", request_body = TaskBatchRequest,
    params(("traceparent" = Option<String>, Header, description = "W3C trace context, shared by all tasks of the batch")),
    responses(
        (status = 200, description = "What became of each item, in order", body = TaskBatchResponse),
    )
)]
async fn submit_batch(
    State(state): State<AppState>,
    Params(NoParams {}): Params<NoParams>,
    Traceparent(traceparent): Traceparent,
    Body(batch): Body<TaskBatchRequest>,
) -> ApiResult<Json<TaskBatchResponse>> {
    let max = state.options.submit_batch_max;
    let count = batch.tasks.len();
    if count == 0 || count > max {
        let problem = format!("has {count} items; 1 to {max} are allowed");
        return Err(
            ApiError::new(&INVALID_BODY, format!("/tasks {problem}")).field("/tasks", problem)
        );
    }
    // All at once, so that the intake can store them in few transactions.
    let mut running = JoinSet::new();
    for (index, item) in batch.tasks.into_iter().enumerate() {
        let (state, traceparent) = (state.clone(), traceparent.clone());
        running.spawn(async move {
            let outcome = match from_value(item) {
                Ok(request) => submit_one(state, request, traceparent).await,
                Err(refused) => Err(refused),
            };
            (index, outcome)
        });
    }
    let mut items = Vec::with_capacity(count);
    while let Some(joined) = running.join_next().await {
        let (index, outcome) = joined.map_err(ApiError::internal)?;
        items.push(batch_item(index, outcome));
    }
    items.sort_unstable_by_key(|item| item.index);
    Ok(Json(TaskBatchResponse {
        created: items
            .iter()
            .filter(|item| item.task_id.is_some() && !item.duplicate)
            .count(),
        duplicates: items.iter().filter(|item| item.duplicate).count(),
        refused: items.iter().filter(|item| item.error.is_some()).count(),
        items,
    }))
}

fn batch_item(index: usize, outcome: ApiResult<TaskSubmitted>) -> TaskBatchItem {
    match outcome {
        Ok(submitted) => TaskBatchItem {
            index,
            status: if submitted.duplicate { 200 } else { 201 },
            task_id: Some(submitted.task.task_id),
            duplicate: submitted.duplicate,
            error: None,
        },
        Err(refused) => TaskBatchItem {
            index,
            status: refused.status().as_u16(),
            task_id: None,
            duplicate: false,
            error: Some(refused.into_problem()),
        },
    }
}

/// Lists tasks, newest first.
///
/// `next_cursor` of a page asks for the one after it; tasks submitted meanwhile
/// shift nothing.
#[utoipa::path(
    get, path = "/v1/tasks", tag = "tasks", params(TaskFilter),
    responses((status = 200, description = "A page of tasks", body = TaskPage))
)]
async fn list_tasks(
    State(state): State<AppState>,
    Params(mut filter): Params<TaskFilter>,
) -> ApiResult<Json<TaskPage>> {
    let max = state.options.page_max;
    let limit = *filter.limit.get_or_insert(PAGE_DEFAULT.min(max));
    if limit == 0 || limit > max {
        return Err(ApiError::parameter("limit", format!("must be 1 to {max}")));
    }
    for (name, time) in [("from", filter.from), ("to", filter.to)] {
        if time.is_some_and(|time| !(0..=9_999).contains(&time.year())) {
            return Err(ApiError::parameter(name, "must be in the years 0 to 9999"));
        }
    }
    Ok(Json(read::tasks(&state.store, &filter).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IncludeParams {
    /// What to add, separated by commas: `steps`, `transitions`, `annotations`.
    include: Option<String>,
}

/// What is asked for besides the task.
#[derive(Default)]
struct Included {
    steps: bool,
    transitions: bool,
    annotations: bool,
}

impl IncludeParams {
    fn parse(&self) -> ApiResult<Included> {
        let mut included = Included::default();
        for name in self.include.iter().flat_map(|list| list.split(',')) {
            match name.trim() {
                "steps" => included.steps = true,
                "transitions" => included.transitions = true,
                "annotations" => included.annotations = true,
                other => {
                    let problem = format!(
                        "{other:?} cannot be included; steps, transitions and annotations can"
                    );
                    return Err(ApiError::parameter("include", problem));
                }
            }
        }
        Ok(included)
    }
}

/// Shows a task.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}", tag = "tasks",
    params(("task_id" = i64, Path, description = "Id of the task"), IncludeParams),
    responses(
        (status = 200, description = "The task", body = TaskView),
        (status = 404, description = "There is no such task"),
    )
)]
async fn get_task(
    State(state): State<AppState>,
    TaskId(task_id): TaskId,
    Params(params): Params<IncludeParams>,
) -> ApiResult<Json<TaskView>> {
    let included = params.parse()?;
    let (steps, transitions) = (included.steps, included.transitions);
    let task = read::task(&state.store, task_id, steps, transitions).await?;
    let mut task = task.ok_or_else(|| no_task(task_id))?;
    if included.annotations {
        let annotations = records::annotations(&state.store, task_id).await?;
        task.annotations = Some(annotations.into_iter().map(annotation_view).collect());
    }
    Ok(Json(task))
}

fn annotation_view(row: records::Annotation) -> AnnotationView {
    AnnotationView {
        annotation_id: row.task_annotation_id,
        annotation_type: row.annotation_type.name,
        annotation: row.annotation,
        created_at: row.created_at,
    }
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GraphFormat {
    #[default]
    Json,
    /// A Mermaid flowchart, coloured by state.
    Mermaid,
    /// A Graphviz digraph, coloured by state.
    Dot,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GraphParams {
    /// `json` when absent.
    #[serde(default)]
    format: GraphFormat,
}

/// Shows the DAG of a task with the states of its steps.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/graph", tag = "tasks",
    params(("task_id" = i64, Path, description = "Id of the task"), GraphParams),
    responses(
        (status = 200, description = "The graph", content(
            (TaskGraph = "application/json"),
            (String = "text/vnd.mermaid"),
            (String = "text/vnd.graphviz"),
        )),
        (status = 404, description = "There is no such task"),
    )
)]
async fn get_graph(
    State(state): State<AppState>,
    TaskId(task_id): TaskId,
    Params(params): Params<GraphParams>,
) -> ApiResult<Response> {
    let graph = read::graph(&state.store, task_id)
        .await?
        .ok_or_else(|| no_task(task_id))?;
    let text =
        |kind: &'static str, text: String| ([(header::CONTENT_TYPE, kind)], text).into_response();
    Ok(match params.format {
        GraphFormat::Json => Json(graph).into_response(),
        GraphFormat::Mermaid => text(
            "text/vnd.mermaid; charset=utf-8",
            graph_text::task_mermaid(&graph),
        ),
        GraphFormat::Dot => text(
            "text/vnd.graphviz; charset=utf-8",
            graph_text::task_dot(&graph),
        ),
    })
}

/// Says why each step that is neither running nor done stands where it stands.
#[utoipa::path(
    get, path = "/v1/tasks/{task_id}/explain", tag = "tasks",
    params(("task_id" = i64, Path, description = "Id of the task")),
    responses(
        (status = 200, description = "The reasons", body = Explanation),
        (status = 404, description = "There is no such task"),
    )
)]
async fn explain_task(
    State(state): State<AppState>,
    TaskId(task_id): TaskId,
    Params(NoParams {}): Params<NoParams>,
) -> ApiResult<Json<Explanation>> {
    read::explain(&state.store, task_id)
        .await?
        .map(Json)
        .ok_or_else(|| no_task(task_id))
}

/// Cancels a task: nothing of it starts any more, running handlers are told.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/cancel", tag = "tasks",
    params(("task_id" = i64, Path, description = "Id of the task")),
    request_body = Option<OperatorRequest>,
    responses(
        (status = 200, description = "The task, cancelled", body = TaskView),
        (status = 404, description = "There is no such task"),
        (status = 409, description = "The task is in a state that cannot be cancelled"),
    )
)]
async fn cancel_task(
    State(state): State<AppState>,
    TaskId(task_id): TaskId,
    Params(NoParams {}): Params<NoParams>,
    OptionalBody(request): OptionalBody<OperatorRequest>,
) -> ApiResult<Json<TaskView>> {
    check_operator(request.reason.as_deref(), request.operator.as_deref())?;
    let done = operate::cancel_task(&state.store, task_id, &request).await;
    done.map_err(|error| operated(error, no_task(task_id)))?;
    shown(&state, task_id).await
}

/// Retries the failed steps of a task: their attempts start again.
#[utoipa::path(
    post, path = "/v1/tasks/{task_id}/retry", tag = "tasks",
    params(("task_id" = i64, Path, description = "Id of the task")),
    request_body = Option<OperatorRequest>,
    responses(
        (status = 200, description = "The task, running again", body = TaskView),
        (status = 404, description = "There is no such task"),
        (status = 409, description = "Nothing of the task has failed"),
    )
)]
async fn retry_task(
    State(state): State<AppState>,
    TaskId(task_id): TaskId,
    Params(NoParams {}): Params<NoParams>,
    OptionalBody(request): OptionalBody<OperatorRequest>,
) -> ApiResult<Json<TaskView>> {
    check_operator(request.reason.as_deref(), request.operator.as_deref())?;
    let done = operate::retry_task(&state.store, task_id, &request).await;
    done.map_err(|error| operated(error, no_task(task_id)))?;
    shown(&state, task_id).await
}

async fn shown(state: &AppState, task_id: i64) -> ApiResult<Json<TaskView>> {
    let task = read::task(&state.store, task_id, false, false).await?;
    task.map(Json).ok_or_else(|| no_task(task_id))
}
