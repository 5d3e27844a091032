//! The REST API: routes, what surrounds them, and the server they run in.
//!
//! Owns HTTP and nothing else: what a task is and how it is stored is the
//! store's affair, what a request may say is [`tasker_shared::wire`]'s. A route
//! reads its request, makes one call, and answers; every refusal is a problem
//! document.
//!
//! Architecture invariant: the API holds no state of its own, so any number of
//! instances may serve the same database.

mod extract;
mod failures;
mod health;
mod layers;
mod openapi;
mod operator;
mod problem;
mod serve;
mod steps;
mod tasks;
mod templates;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::Router;
use chrono::{DateTime, Utc};
use tasker_shared::config::Config;
use tasker_shared::store::Store;
use tasker_shared::wire::LoopStatus;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::intake::IntakeHandle;
use crate::template_loader::TemplateLoader;
use layers::Admission;
use problem::{echo, ApiError, METHOD, NO_ROUTE};

pub use serve::BindError;
pub(crate) use serve::{bind, serve, ServeLimits};

/// Requests to the health and metrics routes that may run at once. Theirs is a
/// pool of its own: load on the API cannot make the service look dead.
const WATCHERS_MAX: usize = 16;

/// What the API needs of the configuration.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Whose section of a template's `environments` applies.
    pub environment: String,
    pub request_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub body_max_bytes: usize,
    pub json_max_depth: usize,
    pub page_max: u32,
    pub submit_batch_max: usize,
    pub requests_max: usize,
    pub retry_after_seconds: u64,
}

impl ApiOptions {
    pub fn new(config: &Config) -> Self {
        let section = &config.orchestration;
        Self {
            environment: config.environment.clone(),
            request_timeout_ms: section.request_timeout_ms,
            body_timeout_ms: section.body_timeout_ms,
            body_max_bytes: section.body_max_bytes,
            json_max_depth: config.engine.json_max_depth,
            page_max: section.page_max,
            submit_batch_max: section.submit_batch_max,
            requests_max: section.requests_max,
            retry_after_seconds: section.retry_after_seconds,
        }
    }
}

impl ServeLimits {
    pub(crate) fn new(config: &Config) -> Self {
        let section = &config.orchestration;
        Self {
            connections_max: section.connections_max,
            header_timeout: Duration::from_millis(section.header_timeout_ms),
            connection_age_max: Duration::from_secs(section.connection_age_max_seconds),
            drain_timeout: Duration::from_millis(section.drain_timeout_ms),
        }
    }
}

/// Named counts of work in hand, and how the background loops fare.
pub type Pulse = Arc<dyn Fn() -> (BTreeMap<String, i64>, Vec<LoopStatus>) + Send + Sync>;

/// Writes all metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// When the service started, by the calendar and by the clock that never jumps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    at: DateTime<Utc>,
    clock: Instant,
}

/// What every route can reach. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub(crate) store: Store,
    pub(crate) intake: IntakeHandle,
    pub(crate) loader: TemplateLoader,
    pub(crate) options: Arc<ApiOptions>,
    pub(crate) started: Started,
    pub(crate) pulse: Pulse,
    pub(crate) metrics: RenderMetrics,
}

impl AppState {
    pub fn new(
        store: Store,
        intake: IntakeHandle,
        loader: TemplateLoader,
        options: ApiOptions,
        pulse: Pulse,
        metrics: RenderMetrics,
    ) -> Self {
        let started = Started {
            at: Utc::now(),
            clock: Instant::now(),
        };
        Self {
            store,
            intake,
            loader,
            options: Arc::new(options),
            started,
            pulse,
            metrics,
        }
    }
}

/// The whole API, with its documentation and everything that surrounds it.
///
/// # Errors
/// If the `OpenAPI` document cannot be written as JSON.
pub fn router(state: AppState) -> Result<Router, serde_json::Error> {
    let timeout = Duration::from_millis(state.options.request_timeout_ms);
    let work = Admission::new(state.options.requests_max, timeout);
    let watch = Admission::new(WATCHERS_MAX, timeout);
    let body_max_bytes = state.options.body_max_bytes;
    let retry_after_seconds = state.options.retry_after_seconds;

    let api = OpenApiRouter::new()
        .merge(tasks::router())
        .merge(steps::router())
        .merge(templates::router())
        .layer(from_fn_with_state(work, layers::admit));
    let watched = health::watched().layer(from_fn_with_state(watch, layers::admit));
    let (routes, document) = OpenApiRouter::with_openapi(openapi::Base::openapi())
        .merge(api)
        .merge(watched)
        .merge(health::always())
        .split_for_parts();
    let document = openapi::complete(&document)?;
    Ok(routes
        .with_state(state)
        .merge(openapi::pages(document))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(body_max_bytes))
        .layer(from_fn(layers::same_origin))
        .layer(from_fn_with_state(retry_after_seconds, layers::observe)))
}

async fn no_route(uri: Uri) -> ApiError {
    ApiError::new(
        &NO_ROUTE,
        format!(
            "there is nothing at {}; see /openapi.json",
            echo(uri.path())
        ),
    )
}

async fn wrong_method(method: axum::http::Method, uri: Uri) -> ApiError {
    let detail = format!(
        "{} does not take {}",
        echo(uri.path()),
        echo(method.as_str())
    );
    ApiError::new(&METHOD, detail)
}
