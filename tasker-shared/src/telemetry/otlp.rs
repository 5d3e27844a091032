//! Export of spans over OTLP, as the standard variables ask.
//!
//! Export is on when `OTEL_EXPORTER_OTLP_ENDPOINT` or its traces variant is set
//! and neither `OTEL_SDK_DISABLED=true` nor `OTEL_TRACES_EXPORTER=none` says no.
//! What this build cannot do (gRPC, JSON, TLS) is refused at start: an exporter
//! that silently sends nothing is worse than none.
//!
//! TRAP: the HTTP client of the exporter blocks and owns a runtime. Made or
//! dropped on a thread of an async runtime it panics, so both happen on threads
//! of their own.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::Resource;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::Layer;

use super::guard::TelemetryError;
use super::logs::BoxedLayer;
use crate::config::Telemetry;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];

/// Whether the variables ask for export; an error when they ask for something
/// that cannot be done.
pub(super) fn is_wanted(variable: &dyn Fn(&str) -> Option<String>) -> Result<bool, TelemetryError> {
    let set = |name: &'static str| variable(name).filter(|value| !value.trim().is_empty());
    let endpoint = [TRACES_ENDPOINT, ENDPOINT]
        .into_iter()
        .find_map(|name| set(name).map(|value| (name, value)));
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|v| v == "none");
    let Some((name, endpoint)) = endpoint.filter(|_| !disabled) else {
        return Ok(false);
    };
    if !endpoint.starts_with("http://") {
        return Err(TelemetryError::Endpoint { variable: name });
    }
    let protocol = PROTOCOLS
        .into_iter()
        .find_map(|name| set(name).map(|value| (name, value)));
    match protocol {
        Some((name, value)) if value != "http/protobuf" => {
            Err(TelemetryError::Protocol { variable: name })
        }
        _ => Ok(true),
    }
}

/// Builds exporter and provider on a thread of their own.
pub(super) fn provider(
    options: &Telemetry,
    role: &'static str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let service_name = options
        .service_name
        .clone()
        .or_else(|| std::env::var("OTEL_SERVICE_NAME").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("tasker-{role}"));
    let build = move || {
        crate::tls::install();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .build()?;
        let resource = Resource::builder().with_service_name(service_name).build();
        Ok(SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build())
    };
    thread::Builder::new()
        .name("otlp-start".to_owned())
        .spawn(build)
        .map_err(TelemetryError::Thread)?
        .join()
        .map_err(|_| TelemetryError::ExporterPanicked)?
        .map_err(TelemetryError::Exporter)
}

pub(super) fn layer(
    options: &Telemetry,
    provider: &SdkTracerProvider,
) -> Result<BoxedLayer, tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(&options.trace_level)?;
    let tracer = provider.tracer("tasker");
    Ok(tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_filter(filter)
        .boxed())
}

/// Sends what is left and stops the exporter, waiting at most `deadline`.
pub(super) fn shut_down(provider: SdkTracerProvider, deadline: Duration) {
    within(deadline, move || {
        let result = provider.shutdown_with_timeout(deadline);
        drop(provider);
        result.is_ok()
    });
}

/// Sends what is there, waiting at most `deadline`.
pub(super) fn flush(provider: &SdkTracerProvider, deadline: Duration) {
    let provider = provider.clone();
    within(deadline, move || provider.force_flush().is_ok());
}

/// Runs `send` on a thread that is left behind after `deadline`.
fn within(deadline: Duration, send: impl FnOnce() -> bool + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("otlp-flush".to_owned())
        .spawn(move || {
            let _ = done.send(send());
        });
    let flushed = spawned.is_ok() && matches!(finished.recv_timeout(deadline), Ok(true));
    if !flushed {
        tracing::warn!("the last spans could not be exported in time");
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::{Duration, Instant};

    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_otlp::{SpanExporter, WithExportConfig};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::{is_wanted, shut_down, TelemetryError};

    #[test]
    fn a_collector_that_never_answers_cannot_hold_up_the_end_of_the_process() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", collector.local_addr().unwrap());
        crate::tls::install();
        let build = move || {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_endpoint(endpoint)
                .with_timeout(Duration::from_secs(60))
                .build()
                .unwrap();
            SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .build()
        };
        let provider = thread::spawn(build).join().unwrap();
        drop(provider.tracer("test").start("unsent"));
        let begun = Instant::now();
        shut_down(provider, Duration::from_millis(100));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    fn wanted(variables: &[(&str, &str)]) -> Result<bool, TelemetryError> {
        is_wanted(&|name| {
            variables
                .iter()
                .find(|(found, _)| *found == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn export_follows_the_standard_variables() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        let traces = (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://localhost:4318/v1/traces",
        );
        assert!(!wanted(&[]).unwrap());
        assert!(!wanted(&[(general.0, "")]).unwrap());
        assert!(wanted(&[general]).unwrap());
        assert!(wanted(&[traces]).unwrap());
        assert!(!wanted(&[general, ("OTEL_SDK_DISABLED", "true")]).unwrap());
        assert!(!wanted(&[traces, ("OTEL_TRACES_EXPORTER", "none")]).unwrap());
        assert!(wanted(&[general, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]).unwrap());
    }

    #[test]
    fn what_this_build_cannot_send_is_refused_by_the_name_of_its_variable() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
        let grpc = wanted(&[general, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(grpc.to_string().contains("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let tls = wanted(&[(general.0, "https://user:CANARY@collector:4318")]).unwrap_err();
        assert!(tls.to_string().contains("OTEL_EXPORTER_OTLP_ENDPOINT"));
        assert!(!format!("{tls} {tls:?}").contains("CANARY"));
    }
}
