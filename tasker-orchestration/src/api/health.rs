//! What the service says of itself: health, metrics, its problems, its root.
//!
//! Liveness never touches the database, so that an orchestrator is not killed
//! for an outage of PostgreSQL; readiness does, and takes it out of rotation.

use std::time::Instant;

use axum::extract::State;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::Json;
use tasker_shared::store::migrate::SchemaStatus;
use tasker_shared::store::{health, migrate};
use tasker_shared::wire::{Check, Liveness, ProblemKind, ProblemKinds, Readiness, ServiceStatus};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Code, NoParams, Params};
use super::problem::{ApiError, ApiResult, KINDS, NOT_FOUND};
use super::AppState;

/// Routes that need no database and are never shed.
pub(crate) fn always() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(list_problems))
        .routes(routes!(get_problem))
        .route("/", axum::routing::get(root))
}

/// Routes that look at the database or at every metric.
pub(crate) fn watched() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(ready))
        .routes(routes!(status))
        .routes(routes!(metrics))
}

async fn root() -> Redirect {
    Redirect::temporary("/docs/")
}

/// Says that the process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "health",
    responses((status = 200, description = "The process answers", body = Liveness))
)]
async fn live(Params(NoParams {}): Params<NoParams>) -> Json<Liveness> {
    Json(Liveness {
        status: "ok".to_owned(),
    })
}

/// Says whether the service can do its work, and what is missing.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready; `checks` says why", body = Readiness),
    )
)]
async fn ready(State(state): State<AppState>, Params(NoParams {}): Params<NoParams>) -> Response {
    let checks = checks(&state).await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, checks })).into_response()
}

/// Says how the service fares.
#[utoipa::path(
    get, path = "/health/status", tag = "health",
    responses((status = 200, description = "Version, uptime, checks, work in hand and loops", body = ServiceStatus))
)]
async fn status(
    State(state): State<AppState>,
    Params(NoParams {}): Params<NoParams>,
) -> Json<ServiceStatus> {
    let checks = checks(&state).await;
    let (counts, loops) = (state.pulse)();
    Json(ServiceStatus {
        role: "orchestration".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: state.started.at,
        uptime_seconds: Instant::now().duration_since(state.started.clock).as_secs(),
        ready: checks.iter().all(|check| check.ok),
        checks,
        counts,
        loops,
    })
}

/// All metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"))
)]
async fn metrics(State(state): State<AppState>, Params(NoParams {}): Params<NoParams>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (state.metrics)()).into_response()
}

/// Lists every kind of problem the service answers with.
#[utoipa::path(
    get, path = "/problems", tag = "problems",
    responses((status = 200, description = "The kinds", body = ProblemKinds))
)]
async fn list_problems(Params(NoParams {}): Params<NoParams>) -> Json<ProblemKinds> {
    Json(ProblemKinds {
        problems: KINDS.iter().map(ProblemKind::from).collect(),
    })
}

/// Describes one kind of problem; the `type` of a problem points here.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "problems",
    params(("code" = String, Path, description = "Code of the problem, TSK-nnnn")),
    responses(
        (status = 200, description = "The kind", body = ProblemKind),
        (status = 404, description = "The service never answers with this code"),
    )
)]
async fn get_problem(
    Params(NoParams {}): Params<NoParams>,
    Code(code): Code,
) -> ApiResult<Json<ProblemKind>> {
    let kind = KINDS.iter().find(|kind| kind.code == code);
    kind.map(|kind| Json(kind.into()))
        .ok_or_else(|| ApiError::new(&NOT_FOUND, "the service never answers with this code"))
}

/// Database, migrations, queues, in this order: without the first the others
/// cannot be known.
async fn checks(state: &AppState) -> Vec<Check> {
    let database = health::ping(&state.store).await.map_err(|error| {
        tracing::debug!(%error, "readiness");
        format!("the database does not answer ({})", error.code())
    });
    let away = database.is_err();
    let unknown = || Err("not known while the database does not answer".to_owned());
    let migrations = if away {
        unknown()
    } else {
        migrations(state).await
    };
    let queues = if away { unknown() } else { queues(state).await };
    [
        ("database", database),
        ("migrations", migrations),
        ("queues", queues),
    ]
    .map(|(name, outcome)| Check {
        name: name.to_owned(),
        ok: outcome.is_ok(),
        reason: outcome.err(),
    })
    .into()
}

async fn migrations(state: &AppState) -> Result<(), String> {
    match migrate::status(state.store.pool()).await {
        Ok(SchemaStatus::Current) => Ok(()),
        Ok(SchemaStatus::Missing) => {
            Err("the database was never migrated; run tasker migrate".to_owned())
        }
        Ok(SchemaStatus::Pending { steps }) => {
            Err(format!("to be run by tasker migrate: {}", steps.join(", ")))
        }
        Ok(SchemaStatus::Newer { database, binary }) => Err(format!(
            "the database is at version {database}, this service knows {binary}"
        )),
        Err(error) => {
            tracing::debug!(%error, "readiness");
            Err(format!("cannot be read ({})", error.code()))
        }
    }
}

async fn queues(state: &AppState) -> Result<(), String> {
    match health::missing_queues(&state.store).await {
        Ok(missing) if missing.is_empty() => Ok(()),
        Ok(missing) => Err(format!("missing: {}", missing.join(", "))),
        Err(error) => {
            tracing::debug!(%error, "readiness");
            Err(format!("cannot be read ({})", error.code()))
        }
    }
}
