//! The worker's own web API: health and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::Utc;
use tasker_shared::store::health;
use tasker_shared::telemetry;
use tasker_shared::wire::{Check, Liveness, Readiness, ServiceStatus};

use crate::service::Shared;

/// Serves until the worker has stopped: while it drains it is alive, not ready.
pub(crate) async fn serve(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let stopped = shared.stopped.clone();
    let router = Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/status", get(status))
        .route("/metrics", get(render_metrics))
        .with_state(shared);
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopped.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the worker's web API ended");
    }
}

async fn live() -> Json<Liveness> {
    Json(Liveness {
        status: "ok".to_owned(),
    })
}

async fn checks(shared: &Shared) -> Vec<Check> {
    let draining = shared.drain.is_cancelled();
    let pinged = tokio::time::timeout(
        std::time::Duration::from_secs(2),
        health::ping(&shared.store),
    )
    .await;
    let database = match pinged {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("the database does not answer ({})", error.code())),
        Err(_) => Some("the database does not answer within 2 s".to_owned()),
    };
    vec![
        Check {
            name: "database".to_owned(),
            ok: database.is_none(),
            reason: database,
        },
        Check {
            name: "claiming".to_owned(),
            ok: !draining,
            reason: draining.then(|| "the worker is draining".to_owned()),
        },
    ]
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let checks = checks(&shared).await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, checks })).into_response()
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<ServiceStatus> {
    let checks = checks(&shared).await;
    let uptime = shared.started.elapsed();
    Json(ServiceStatus {
        role: "worker".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Utc::now() - uptime,
        uptime_seconds: uptime.as_secs(),
        ready: checks.iter().all(|check| check.ok),
        checks,
        counts: BTreeMap::from([
            ("steps_in_hand".to_owned(), shared.in_hand.len() as i64),
            ("concurrency".to_owned(), shared.options.concurrency as i64),
        ]),
        loops: shared.loop_states(),
    })
}

async fn render_metrics(State(shared): State<Arc<Shared>>) -> Response {
    metrics::gauge!(telemetry::HANDLERS_RUNNING).set(shared.in_hand.len() as f64);
    let pool = shared.store.pool();
    metrics::gauge!(telemetry::DB_POOL_CONNECTIONS, "state" => "idle").set(pool.num_idle() as f64);
    metrics::gauge!(telemetry::DB_POOL_CONNECTIONS, "state" => "used")
        .set(f64::from(pool.size()) - pool.num_idle() as f64);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(axum::http::header::CONTENT_TYPE, kind)],
        telemetry::install_recorder().render(),
    )
        .into_response()
}
