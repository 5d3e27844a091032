//! W3C trace context: reading it, and tying it to spans.
//!
//! With an exporter, an adopted context becomes the parent of the span and
//! [`current`] names the span itself. Without one there are no span ids, so the
//! adopted context is kept with the span in the registry and handed on as it
//! came: a trace that began upstream still reaches the services downstream.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::Context;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::Registry;

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A valid `traceparent`, as of version 00.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    traceparent: String,
}

impl TraceContext {
    /// Reads a `traceparent` as the W3C recommendation asks: lower-case hex, no
    /// all-zero ids, version 00 of exactly 55 characters. A later version is read
    /// by its first four fields and handed on as version 00 with the one flag
    /// known. Anything else is None and is to be treated as if nothing had come.
    pub fn parse(text: &str) -> Option<Self> {
        let fields = text.get(..LENGTH)?;
        let rest = text.get(LENGTH..)?;
        let version = fields.get(..2)?;
        let (trace, span, flags) = (fields.get(3..35)?, fields.get(36..52)?, fields.get(53..)?);
        let dashes = [2, 35, 52].iter().all(|at| fields.as_bytes()[*at] == b'-');
        let well_formed = dashes
            && [version, trace, span, flags]
                .iter()
                .all(|field| is_lower_hex(field))
            && !is_zero(trace)
            && !is_zero(span);
        if !well_formed || version == "ff" {
            return None;
        }
        if version == "00" {
            return rest.is_empty().then(|| Self {
                traceparent: fields.to_owned(),
            });
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
        (rest.is_empty() || rest.starts_with('-')).then(|| Self {
            traceparent: format!("00-{trace}-{span}-{sampled:02x}"),
        })
    }

    /// The header value.
    pub fn as_str(&self) -> &str {
        &self.traceparent
    }

    /// The 32 hex digits that all spans of the trace share.
    pub fn trace_id(&self) -> &str {
        &self.traceparent[3..35]
    }

    fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            traceparent: format!(
                "00-{}-{}-{:02x}",
                span.trace_id(),
                span.span_id(),
                span.trace_flags().to_u8()
            ),
        })
    }

    fn remote(&self) -> Option<SpanContext> {
        let text = &self.traceparent;
        Some(SpanContext::new(
            TraceId::from_hex(&text[3..35]).ok()?,
            SpanId::from_hex(&text[36..52]).ok()?,
            TraceFlags::new(u8::from_str_radix(&text[53..55], 16).ok()?),
            true,
            TraceState::default(),
        ))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.traceparent)
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

/// Makes `traceparent` the parent of `span`. Call it before the span is first
/// entered; a text that is not a valid `traceparent` changes nothing.
pub fn adopt(span: &Span, traceparent: &str) {
    let Some(context) = TraceContext::parse(traceparent) else {
        return;
    };
    if let Some(remote) = context.remote() {
        // An error means that nothing exports or that the span has begun; the
        // copy kept below serves both.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }
    span.with_subscriber(|(id, dispatch)| {
        if let Some(span) = dispatch.downcast_ref::<Registry>().and_then(|r| r.span(id)) {
            span.extensions_mut().replace(context);
        }
    });
}

/// The context to hand on from the current span: the span itself when spans have
/// ids, or else the nearest context adopted around it, or None.
pub fn current() -> Option<TraceContext> {
    let span = Span::current();
    let exported = TraceContext::of(span.context().span().span_context());
    exported.or_else(|| span.with_subscriber(|(id, dispatch)| adopted(id, dispatch))?)
}

fn adopted(id: &tracing::span::Id, dispatch: &tracing::Dispatch) -> Option<TraceContext> {
    dispatch
        .downcast_ref::<Registry>()?
        .span(id)?
        .scope()
        .find_map(|span| span.extensions().get::<TraceContext>().cloned())
}

#[cfg(test)]
mod tests {
    use super::{adopt, current, TraceContext};

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_the_recommendation_asks() {
        let zeros = "0".repeat(32);
        let accepted = [
            (TRACE.to_owned(), TRACE.to_owned()),
            (TRACE.replace("-01", "-00"), TRACE.replace("-01", "-00")),
            (TRACE.replacen("00-", "01-", 1), TRACE.to_owned()),
            (
                format!("{}-what-ever", TRACE.replacen("00-", "cc-", 1)),
                TRACE.to_owned(),
            ),
            (
                TRACE.replacen("00-", "42-", 1).replace("-01", "-fe"),
                TRACE.replace("-01", "-00"),
            ),
        ];
        for (text, expected) in accepted {
            let parsed = TraceContext::parse(&text).map(|context| context.to_string());
            assert_eq!(parsed.as_deref(), Some(expected.as_str()), "{text}");
        }
        let refused = [
            String::new(),
            "00".to_owned(),
            format!("{TRACE}-"),
            format!("{TRACE}-extra"),
            format!("{TRACE}0"),
            format!(" {TRACE}"),
            format!("{TRACE}\n"),
            TRACE[..54].to_owned(),
            TRACE.to_uppercase(),
            TRACE.replacen("00-", "ff-", 1),
            TRACE.replacen("00-", "0x-", 1),
            format!("{}x", TRACE.replacen("00-", "01-", 1)),
            TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            TRACE.replace("00f067aa0ba902b7", &zeros[..16]),
            TRACE.replace("-01", "-0g"),
            TRACE.replace('-', "_"),
            TRACE.replace("4bf9", "4bG9"),
            TRACE.replace("4bf9", "+bf9"),
            "\u{e9}".repeat(40),
        ];
        for text in refused {
            assert_eq!(TraceContext::parse(&text), None, "{text:?}");
        }
    }

    #[test]
    fn the_trace_id_is_the_second_field() {
        let context = TraceContext::parse(TRACE).unwrap();
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.as_str(), TRACE);
    }

    #[test]
    fn without_an_exporter_an_adopted_context_passes_through_nested_spans() {
        let subscriber = tracing_subscriber::registry();
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(current(), None);
            let outer = tracing::info_span!("request");
            adopt(&outer, TRACE);
            let _outer = outer.enter();
            let inner = tracing::info_span!("work").entered();
            assert_eq!(current().unwrap().as_str(), TRACE);
            drop(inner);
            let other = TRACE.replace("b7-01", "b8-01");
            let inner = tracing::info_span!("callback");
            adopt(&inner, &other);
            let _inner = inner.enter();
            assert_eq!(current().unwrap().as_str(), other);
        });
    }

    #[test]
    fn a_broken_traceparent_and_a_missing_subscriber_change_nothing() {
        adopt(&tracing::info_span!("nowhere"), TRACE);
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let span = tracing::info_span!("request");
            adopt(&span, "00-nonsense");
            let _span = span.enter();
            assert_eq!(current(), None);
        });
    }
}
