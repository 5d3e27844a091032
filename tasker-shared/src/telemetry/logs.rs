//! The log lines: to stderr, as JSON or for people.
//!
//! Standard output belongs to what a command prints; logs never go there.

use std::io::{stderr, IsTerminal};

use tracing_subscriber::filter::{filter_fn, EnvFilter, FilterExt, ParseError};
use tracing_subscriber::{Layer, Registry};

use crate::config::{LogFormat, Telemetry};

pub(super) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

pub(super) fn layer(options: &Telemetry) -> Result<BoxedLayer, ParseError> {
    let filter = EnvFilter::try_new(&options.log_level)?;
    let terminal = stderr().is_terminal();
    let human = match options.log_format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    Ok(if human {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        lines.with_ansi(colours).with_filter(filter).boxed()
    } else {
        // Events are what is searched for: their fields at the top, and the span
        // they happened in, not its whole ancestry, beside them.
        lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed()
    })
}

/// Keeps spans alive that only the trace context needs: a span that every layer
/// filters out has no id, and a context adopted by it would be lost, so that
/// `log_level = "warn"` would cut traces in two.
pub(super) fn carrier(options: &Telemetry) -> Result<BoxedLayer, ParseError> {
    struct Carrier;
    impl Layer<Registry> for Carrier {}

    let spans = filter_fn(|metadata| !metadata.is_event());
    let filter = EnvFilter::try_new(&options.trace_level)?.and(spans);
    Ok(Carrier.with_filter(filter).boxed())
}
