//! Telemetry without an exporter: installed once, and traces pass through.
//!
//! A test binary of its own because the subscriber is installed once per process
//! and the level it is installed with is part of what is tested.

use tasker_shared::config::Config;
use tasker_shared::telemetry::{adopt, current, init, is_exporting, TelemetryError};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_trace_passes_through_a_quiet_process_that_was_set_up_twice() {
    std::env::remove_var("OTEL_EXPORTER_OTLP_ENDPOINT");
    std::env::remove_var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let mut options = Config::default().telemetry;
    "info,tasker=loud".clone_into(&mut options.log_level);
    let refused = init(&options, "test").err();
    assert!(matches!(refused, Some(TelemetryError::Filter(_))));

    // Info spans are below this log level and must still carry the context.
    "error".clone_into(&mut options.log_level);
    let first = init(&options, "test").unwrap();
    let second = init(&options, "other").unwrap();
    assert!(!first.is_exporting() && !second.is_exporting() && !is_exporting());
    drop(first);

    let outer = tracing::info_span!("request");
    adopt(&outer, TRACEPARENT);
    let inner = outer.in_scope(|| tracing::info_span!("submit"));
    assert_eq!(inner.in_scope(current).unwrap().as_str(), TRACEPARENT);
    assert_eq!(current(), None);
}
