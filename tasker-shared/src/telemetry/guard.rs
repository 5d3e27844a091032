//! Installing the subscriber of the process, and taking leave of it.
//!
//! The first call installs; later calls find it there and change nothing, so a
//! process that holds both roles, and a test binary, may call it as they like.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::{logs, otlp};
use crate::config::Telemetry;

/// Why logs or traces could not be set up. Fatal at start; nothing is installed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.log_level or telemetry.trace_level cannot be read")]
    Filter(#[from] ParseError),
    #[error("{variable} must begin with http://; this build exports without TLS, so send spans to a collector on this machine or network")]
    Endpoint { variable: &'static str },
    #[error("{variable} names a protocol this build does not speak; use http/protobuf")]
    Protocol { variable: &'static str },
    #[error("the span exporter cannot be set up from the OTEL_* variables")]
    Exporter(#[source] ExporterBuildError),
    #[error("the thread of the span exporter cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("the span exporter panicked while it was set up")]
    ExporterPanicked,
    #[error("another tracing subscriber is installed in this process")]
    Installed(#[source] TryInitError),
}

/// Keep it until the process ends: dropping it sends the last spans, waiting at
/// most `telemetry.otlp_flush_timeout_ms`.
#[must_use = "spans that are not exported yet are lost without it"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
    deadline: Duration,
}

impl TelemetryGuard {
    /// Whether this guard exports spans.
    pub fn is_exporting(&self) -> bool {
        self.provider.is_some()
    }

    /// Sends the spans that have ended, waiting at most as long as dropping the guard
    /// would: for a process that goes on after its service.
    pub fn flush(&self) {
        if let Some(provider) = &self.provider {
            otlp::flush(provider, self.deadline);
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            otlp::shut_down(provider, self.deadline);
        }
    }
}

static EXPORTING: AtomicBool = AtomicBool::new(false);

/// Whether spans of this process go anywhere, so that none is made in vain.
pub fn is_exporting() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// Installs logs and traces for this process. `role` names the service in traces
/// when nothing else does: `orchestrator`, `worker`, `cli`.
///
/// A second call leaves everything as it is and returns a guard that does nothing.
pub fn init(options: &Telemetry, role: &'static str) -> Result<TelemetryGuard, TelemetryError> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let deadline = Duration::from_millis(options.otlp_flush_timeout_ms);
    let mut guard = TelemetryGuard {
        provider: None,
        deadline,
    };
    if *installed {
        return Ok(guard);
    }
    let mut layers = vec![logs::layer(options)?];
    if otlp::is_wanted(&|name| std::env::var(name).ok())? {
        let provider = otlp::provider(options, role)?;
        layers.push(otlp::layer(options, &provider)?);
        guard.provider = Some(provider);
    } else {
        layers.push(logs::carrier(options)?);
    }
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .map_err(TelemetryError::Installed)?;
    *installed = true;
    EXPORTING.store(guard.is_exporting(), Ordering::Relaxed);
    Ok(guard)
}
