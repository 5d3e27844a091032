//! Every error the API answers with, as an RFC 9457 problem document.
//!
//! One table ([`KINDS`]) says which problems exist, under which status and with
//! which code; `GET /problems/{code}` reads it out, and a problem's `type`
//! points there. What the caller sees is written here; what only the log may
//! see (sources, SQL, panics) travels beside it and is never serialized.
//!
//! INVARIANT: no response of status 400 or above leaves the service except
//! through [`ApiError`], apart from what the HTTP parser itself refuses.

use std::error::Error as StdError;

use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tasker_shared::wire::{FieldProblem, Problem, ProblemKind, TemplateProblem};

/// Media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Longest piece of a caller's input that is repeated to the caller.
const ECHO_CHARS: usize = 300;

/// One kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) meaning: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $code:literal $status:ident $title:literal $meaning:literal;)*) => {
        $(pub(crate) const $name: Kind = Kind {
            code: $code,
            status: StatusCode::$status,
            title: $title,
            meaning: $meaning,
        };)*
        /// The whole table, by code.
        pub(crate) const KINDS: &[Kind] = &[$($name),*];
    };
}

kinds! {
    INVALID_BODY = "TSK-1001" UNPROCESSABLE_ENTITY "A field of the body is wrong"
        "The body is JSON, but a field is missing, unknown, of the wrong type or out of range. `errors` names each.";
    UNKNOWN_TEMPLATE = "TSK-1002" UNPROCESSABLE_ENTITY "The task's template is not registered"
        "No template of this namespace, name and version is registered. GET /v1/templates lists those that are.";
    CONTEXT_REFUSED = "TSK-1003" UNPROCESSABLE_ENTITY "The context does not match the template's schema"
        "`errors` names each place of the context the template's JSON Schema refuses.";
    NOT_FOUND = "TSK-1004" NOT_FOUND "What the address names does not exist"
        "There is no task, step, template or kind of problem of this name; `detail` says which.";
    TEMPLATE_INVALID = "TSK-1005" UNPROCESSABLE_ENTITY "The template has faults"
        "`template` lists every fault found, with line and step where known. Nothing was registered.";
    INVALID_JSON = "TSK-1011" BAD_REQUEST "The body is not acceptable JSON"
        "The body could not be read as JSON that can be stored unchanged. `reason` names the rule, `errors` the place.";
    TOO_LARGE = "TSK-1012" PAYLOAD_TOO_LARGE "The body is too large"
        "Send less, or put large data elsewhere and pass a reference to it.";
    MEDIA_TYPE = "TSK-1013" UNSUPPORTED_MEDIA_TYPE "The body's type is not supported"
        "Send JSON with `Content-Type: application/json`, uncompressed; templates may also be sent as application/yaml.";
    INVALID_PARAMETER = "TSK-1014" BAD_REQUEST "A parameter is wrong"
        "A path or query parameter is unknown or cannot be read. `errors` names it.";
    NO_ROUTE = "TSK-1015" NOT_FOUND "No such address"
        "The service has no such path; /openapi.json lists all.";
    METHOD = "TSK-1016" METHOD_NOT_ALLOWED "The method is not allowed here"
        "The path exists, but not for this method; the Allow header lists those it has.";
    BODY_TIMEOUT = "TSK-1017" REQUEST_TIMEOUT "The body did not arrive in time"
        "Send the whole body without pause.";
    CROSS_ORIGIN = "TSK-1018" FORBIDDEN "The request comes from a foreign web page"
        "A browser may not change anything here on behalf of another origin.";
    BODY_BROKEN = "TSK-1019" BAD_REQUEST "The body broke off"
        "The connection ended, or the transfer encoding broke, before the whole body had arrived.";
    KEY_REUSED = "TSK-2001" CONFLICT "The idempotency key belongs to another request"
        "An earlier request with this key asked for something else. Repeat that request unchanged, or use a new key.";
    NOT_ALLOWED = "TSK-2002" CONFLICT "The state does not allow this"
        "The task or step is in a state in which this verb does nothing. Read it again and decide anew.";
    NOT_DRIVEN = "TSK-2003" CONFLICT "Another engine drives this task"
        "The Rails engine created the task and drives it. It is shown here, and acted upon there.";
    STORE_RETRY = "TSK-3001" SERVICE_UNAVAILABLE "The database had to undo the request"
        "Concurrent work got in the way. Nothing was stored; repeat the request.";
    STORE_AWAY = "TSK-3002" SERVICE_UNAVAILABLE "The database cannot answer now"
        "It is unreachable, full or overloaded. Repeat the request after Retry-After seconds, with an idempotency key if it submits.";
    STORE_CONFLICT = "TSK-3003" CONFLICT "Another request was first"
        "The same row was written at the same time. Read it again and decide anew.";
    STORE_REJECTS = "TSK-3004" UNPROCESSABLE_ENTITY "The database refuses a value"
        "A value of the request is outside what the database can hold. Nothing was stored.";
    STORE_FATAL = "TSK-3005" INTERNAL_SERVER_ERROR "The database is not as it should be"
        "A fault of the service or of its schema, not of the request. Its log says more.";
    OVERLOADED = "TSK-4001" SERVICE_UNAVAILABLE "The service has more requests than it can take"
        "Nothing was stored. Repeat the request after Retry-After seconds.";
    TIMEOUT = "TSK-4002" GATEWAY_TIMEOUT "The request took too long"
        "What was asked may still happen. Read the task again, or repeat the request with the same idempotency key.";
    STOPPING = "TSK-4003" SERVICE_UNAVAILABLE "The service is stopping"
        "Nothing was stored. Repeat the request; another instance, or this one after its restart, will answer.";
    INTERNAL = "TSK-9001" INTERNAL_SERVER_ERROR "The service failed"
        "A fault of the service, not of the request. Its log says more.";
}

/// A refused or failed request: what the caller is told, and what the log is.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: &'static Kind,
    detail: String,
    reason: Option<&'static str>,
    errors: Vec<FieldProblem>,
    template: Vec<TemplateProblem>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a route returns.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            reason: None,
            errors: Vec::new(),
            template: Vec::new(),
            source: None,
        }))
    }

    /// A fault of the service: the caller learns no more than that.
    pub(crate) fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            &INTERNAL,
            "the request could not be served; the service's log says why",
        )
        .caused_by(source)
    }

    /// A path or query parameter that cannot be read.
    pub(crate) fn parameter(name: &str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        let detail = format!("parameter {}: {problem}", echo(name));
        Self::new(&INVALID_PARAMETER, detail).field(name, problem)
    }

    #[must_use]
    pub(crate) fn field(mut self, field: &str, problem: impl Into<String>) -> Self {
        self.0.errors.push(FieldProblem {
            field: echo(field),
            problem: echo(&problem.into()),
            remedy: None,
        });
        self
    }

    #[must_use]
    pub(crate) fn fields(mut self, fields: Vec<FieldProblem>) -> Self {
        self.0.errors.extend(fields);
        self
    }

    #[must_use]
    pub(crate) fn reason(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    #[must_use]
    pub(crate) fn template(mut self, faults: Vec<TemplateProblem>) -> Self {
        self.0.template = faults;
        self
    }

    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.kind.status
    }

    /// The document the caller gets.
    pub(crate) fn into_problem(self) -> Problem {
        self.log();
        let Inner {
            kind,
            detail,
            reason,
            errors,
            template,
            ..
        } = *self.0;
        Problem {
            kind: format!("/problems/{}", kind.code),
            title: kind.title.to_owned(),
            status: kind.status.as_u16(),
            detail,
            code: kind.code.to_owned(),
            reason: reason.map(str::to_owned),
            errors,
            template,
        }
    }

    /// Faults of the service are errors, a database that is away a warning
    /// (its own loops say more), and faults of callers no news.
    fn log(&self) {
        let Inner {
            kind,
            detail,
            source,
            ..
        } = &*self.0;
        let chain = source.as_deref().map(source_chain);
        let cause = chain.as_deref().unwrap_or("");
        match kind.status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(code = kind.code, cause, "{detail}");
            }
            status if status.is_server_error() => {
                tracing::warn!(code = kind.code, cause, "{detail}");
            }
            _ => tracing::debug!(code = kind.code, cause, "{detail}"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let document = serde_json::to_vec(&self.into_problem()).unwrap_or_default();
        let kind = HeaderValue::from_static(PROBLEM_JSON);
        (status, [(header::CONTENT_TYPE, kind)], document).into_response()
    }
}

impl From<&Kind> for ProblemKind {
    fn from(kind: &Kind) -> Self {
        Self {
            code: kind.code.to_owned(),
            status: kind.status.as_u16(),
            title: kind.title.to_owned(),
            meaning: kind.meaning.to_owned(),
        }
    }
}

/// An error with everything beneath it, for the log.
fn source_chain(error: &(dyn StdError + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A piece of a caller's input, cut to a length fit for an answer.
pub(crate) fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{echo, ApiError, INTERNAL, KINDS};

    #[test]
    fn codes_are_unique_and_rise() {
        assert!(KINDS.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(KINDS.iter().all(|kind| kind.status.as_u16() >= 400));
    }

    #[test]
    fn a_cause_is_never_part_of_the_document() {
        let error = ApiError::internal("relation \"secret\" does not exist");
        let document = serde_json::to_string(&error.into_problem()).unwrap();
        assert!(
            document.contains(INTERNAL.code) && !document.contains("secret"),
            "{document}"
        );
    }

    #[test]
    fn long_input_is_cut_between_letters() {
        let text = "é".repeat(1_000);
        assert_eq!(echo(&text).chars().count(), 303);
        assert_eq!(echo("short"), "short");
    }
}
