//! What surrounds every route: limits on load and time, containment of panics,
//! measurements, and headers.
//!
//! A request that has been admitted runs in its own task to its end, whatever
//! its client does meanwhile, and keeps its permit until then. So a client that
//! hangs up never cancels a database call half-way, a panic stays within its
//! request, and the work in hand is bounded by the permits even when requests
//! time out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{header, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tasker_shared::telemetry::{self, HTTP_REQUESTS_TOTAL, HTTP_REQUEST_DURATION_SECONDS};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::problem::{ApiError, CROSS_ORIGIN, OVERLOADED, TIMEOUT};

/// Bounds on the requests of one group of routes.
#[derive(Clone)]
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl Admission {
    pub(crate) fn new(requests_max: usize, timeout: Duration) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(requests_max)),
            timeout,
        }
    }
}

/// Admits a request or sheds it, and runs it within the time limit.
pub(crate) async fn admit(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(permit) = admission.permits.clone().try_acquire_owned() else {
        return ApiError::new(&OVERLOADED, "too many requests at once").into_response();
    };
    let job = async move {
        let response = next.run(request).await;
        drop(permit);
        response
    };
    let job = tokio::spawn(job.in_current_span());
    match tokio::time::timeout(admission.timeout, job).await {
        Ok(Ok(response)) => response,
        // The panic hook has logged the panic itself.
        Ok(Err(died)) => ApiError::internal(died).into_response(),
        Err(_) => {
            let detail = format!("no answer within {} ms", admission.timeout.as_millis());
            ApiError::new(&TIMEOUT, detail).into_response()
        }
    }
}

/// Refuses changes a browser makes on behalf of a foreign page: the service has
/// no cookies, but its loopback address is reachable from every local browser.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !safe && is_foreign(request.headers()) {
        let detail = "the Origin header names another site than this service";
        return ApiError::new(&CROSS_ORIGIN, detail).into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}

/// Measures and logs a request, and adds the headers every response has.
///
/// Labels are bounded: the route's pattern, the method, the status.
pub(crate) async fn observe(
    State(retry_after_seconds): State<u64>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!(
        "request",
        method,
        route = route.as_deref().unwrap_or("unmatched")
    );
    if let Some(context) = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
    {
        telemetry::adopt(&span, context);
    }
    let mut response = next.run(request).instrument(span).await;
    let elapsed = started.elapsed();
    let status = response.status();
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    metrics::counter!(
        HTTP_REQUESTS_TOTAL,
        "method" => method, "route" => route.clone(), "status" => status_label(status)
    )
    .increment(1);
    metrics::histogram!(HTTP_REQUEST_DURATION_SECONDS, "route" => route)
        .record(elapsed.as_secs_f64());
    tracing::debug!(
        method,
        path,
        status = status.as_u16(),
        elapsed_us = elapsed.as_micros() as u64,
        "request"
    );
    dress(response.headers_mut(), status, retry_after_seconds);
    response
}

fn dress(headers: &mut HeaderMap, status: StatusCode, retry_after_seconds: u64) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(HeaderName::from_static("referrer-policy"))
        .or_insert(HeaderValue::from_static("no-referrer"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers
            .entry(header::RETRY_AFTER)
            .or_insert(HeaderValue::from(retry_after_seconds));
    }
}

/// A caller can invent methods; the label cannot grow with them.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn status_label(status: StatusCode) -> String {
    status.as_u16().to_string()
}

#[cfg(test)]
mod tests;
