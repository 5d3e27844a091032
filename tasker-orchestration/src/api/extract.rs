//! How requests are read: bodies, path ids, query strings.
//!
//! A body is taken as bytes under the size limit and the body time limit, goes
//! through the one door for JSON, and only then becomes a request; each refusal
//! names the field by JSON pointer. Nothing here touches the database.

use std::error::Error as StdError;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{header, HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::Value;
use tasker_shared::domain::{parse_json, JsonLimits};
use tasker_shared::telemetry::{self, TraceContext};

use super::problem::{
    echo, ApiError, BODY_BROKEN, BODY_TIMEOUT, INVALID_BODY, INVALID_JSON, MEDIA_TYPE, TOO_LARGE,
};
use super::AppState;

/// Levels of nesting a request adds around a context: body, list, item.
const ENVELOPE_DEPTH: usize = 3;

const JSON_TYPES: &[&str] = &["application/json"];
const YAML_TYPES: &[&str] = &["application/yaml", "application/x-yaml", "text/yaml"];

/// A JSON body that must be there.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        require_type(request.headers(), &[JSON_TYPES])?;
        let bytes = read(request, state).await?;
        from_json(&bytes, state).map(Self)
    }
}

/// A JSON body that may be absent, and then is the default.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<AppState> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        require_type(&headers, &[JSON_TYPES])?;
        from_json(&bytes, state).map(Self)
    }
}

/// A template's text: a raw YAML body, or JSON with the text in `yaml`.
pub(crate) struct TemplateText(pub(crate) String);

impl FromRequest<AppState> for TemplateText {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let kind = require_type(request.headers(), &[JSON_TYPES, YAML_TYPES])?;
        let bytes = read(request, state).await?;
        if JSON_TYPES.contains(&kind) {
            let body: tasker_shared::wire::TemplateRequest = from_json(&bytes, state)?;
            return Ok(Self(body.yaml));
        }
        String::from_utf8(bytes.to_vec()).map(Self).map_err(|_| {
            ApiError::new(&INVALID_BODY, "the template is not valid UTF-8")
                .field("", "is not valid UTF-8")
        })
    }
}

/// The media type of the body, if it is one of `accepted`.
fn require_type(
    headers: &HeaderMap,
    accepted: &[&'static [&'static str]],
) -> Result<&'static str, ApiError> {
    let refuse = |detail: String| Err(ApiError::new(&MEDIA_TYPE, detail));
    if let Some(coding) = headers.get(header::CONTENT_ENCODING) {
        if coding.as_bytes() != b"identity" {
            return refuse("compressed bodies are not read; send the body as it is".to_owned());
        }
    }
    let names = accepted.concat().join(", ");
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return refuse(format!("no Content-Type; send one of {names}"));
    };
    let given = given.to_str().unwrap_or("").to_ascii_lowercase();
    let mut parts = given.split(';').map(str::trim);
    let essence = parts.next().unwrap_or("");
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    if charset.is_some_and(|name| !matches!(name.trim_matches('"'), "utf-8" | "utf8")) {
        return refuse("the text must be UTF-8".to_owned());
    }
    let known = accepted
        .iter()
        .flat_map(|group| group.iter())
        .find(|name| **name == essence);
    match known {
        Some(name) => Ok(name),
        None => refuse(format!(
            "Content-Type {:?} is not read here; send {names}",
            echo(essence)
        )),
    }
}

/// The body, within the limits of size and time.
async fn read(request: Request, state: &AppState) -> Result<Bytes, ApiError> {
    let limit = state.options.body_max_bytes;
    let too_large = || {
        ApiError::new(
            &TOO_LARGE,
            format!("the body may have at most {limit} bytes"),
        )
    };
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(too_large());
    }
    let wait = Duration::from_millis(state.options.body_timeout_ms);
    match tokio::time::timeout(wait, Bytes::from_request(request, &())).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(too_large())
        }
        Ok(Err(rejection)) => Err(ApiError::new(
            &BODY_BROKEN,
            "the body could not be read to its end",
        )
        .caused_by(rejection)),
        Err(_) => {
            let detail = format!("the body did not arrive within {} ms", wait.as_millis());
            Err(ApiError::new(&BODY_TIMEOUT, detail))
        }
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8], state: &AppState) -> Result<T, ApiError> {
    let limits = JsonLimits {
        max_bytes: state.options.body_max_bytes,
        max_depth: state.options.json_max_depth + ENVELOPE_DEPTH,
    };
    let value = parse_json(bytes, &limits).map_err(|error| {
        let refused = ApiError::new(&INVALID_JSON, echo(&error.to_string())).reason(error.code());
        match &error.path {
            Some(path) => refused.field(path, error.problem.to_string()),
            None => refused,
        }
    })?;
    from_value(value)
}

/// Reads a request from JSON; the error names the field.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    // serde would also read a struct from a list of its fields in order.
    if !value.is_object() {
        let problem = format!("must be an object, not {}", kind_of(&value));
        return Err(ApiError::new(&INVALID_BODY, format!("the body {problem}")).field("", problem));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let problem = error.inner().to_string();
        let field = pointer(error.path(), &problem);
        let detail = format!(
            "{}: {}",
            if field.is_empty() { "the body" } else { &field },
            problem
        );
        ApiError::new(&INVALID_BODY, echo(&detail)).field(&field, problem)
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// JSON pointer to the field an error is about. A missing or unknown field has
/// no value to stand at: its name is in serde's message only.
fn pointer(path: &serde_path_to_error::Path, problem: &str) -> String {
    use serde_path_to_error::Segment;
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.extend(["/", &index.to_string()]),
            Segment::Map { key } => place.extend(["/", &escape(key)]),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    for start in ["missing field `", "unknown field `", "duplicate field `"] {
        let Some(rest) = problem.strip_prefix(start) else {
            continue;
        };
        let name = rest
            .split("`, expected")
            .next()
            .unwrap_or(rest)
            .trim_end_matches('`');
        let last = format!("/{}", escape(name));
        if !place.ends_with(&last) {
            place.push_str(&last);
        }
    }
    place
}

/// A query string that has only the parameters of `T`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // No text with NUL can be stored, so none can be searched for.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(ApiError::parameter(
                "query",
                "contains the character U+0000",
            ));
        }
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|rejection| {
                let mut cause: Option<&(dyn StdError + 'static)> = Some(&rejection);
                while let Some(error) = cause {
                    if let Some(error) = error.downcast_ref::<QueryError>() {
                        let problem = error.inner().to_string();
                        let field = pointer(error.path(), &problem);
                        return ApiError::parameter(field.trim_start_matches('/'), echo(&problem));
                    }
                    cause = error.source();
                }
                ApiError::parameter("query", "cannot be read")
            })
    }
}

/// What axum's query extractor fails with, beneath its own wrapping.
type QueryError = serde_path_to_error::Error<serde::de::value::Error>;

/// For routes without any query parameter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParams {}

/// The path's segments by name.
struct Segments(Vec<(String, String)>);

impl Segments {
    async fn of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map(|Path(segments)| Self(segments))
            .map_err(|_| ApiError::parameter("path", "is not valid UTF-8 when decoded"))
    }

    fn id(&self, name: &str) -> Result<i64, ApiError> {
        let text = self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, text)| text);
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
            .filter(|id| *id > 0)
            .ok_or_else(|| {
                let problem = format!(
                    "{:?} is not an id, a whole number from 1 to {}",
                    echo(text),
                    i64::MAX
                );
                ApiError::parameter(name, problem)
            })
    }

    fn text(&self, name: &str) -> String {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// `{task_id}` of the path.
pub(crate) struct TaskId(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for TaskId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Segments::of(parts, state).await?.id("task_id").map(Self)
    }
}

/// `{task_id}` and `{step_id}` of the path.
pub(crate) struct StepId {
    pub(crate) task: i64,
    pub(crate) step: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for StepId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segments = Segments::of(parts, state).await?;
        Ok(Self {
            task: segments.id("task_id")?,
            step: segments.id("step_id")?,
        })
    }
}

/// `{namespace}`, `{name}` and `{version}` of the path, unchecked.
pub(crate) struct TemplatePath {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

impl<S: Send + Sync> FromRequestParts<S> for TemplatePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segments = Segments::of(parts, state).await?;
        Ok(Self {
            namespace: segments.text("namespace"),
            name: segments.text("name"),
            version: segments.text("version"),
        })
    }
}

/// `{code}` of the path.
pub(crate) struct Code(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Code {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(Segments::of(parts, state).await?.text("code")))
    }
}

/// The trace context to hand on: the request's own span where spans are
/// exported, or else the `traceparent` that came. As the W3C recommendation
/// asks, one that is not valid is treated as absent.
pub(crate) struct Traceparent(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Traceparent {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let given = || {
            let header = parts.headers.get("traceparent")?.to_str().ok()?;
            TraceContext::parse(header)
        };
        let context = telemetry::current().or_else(given);
        Ok(Self(context.map(|context| context.to_string())))
    }
}

#[cfg(test)]
mod tests;
