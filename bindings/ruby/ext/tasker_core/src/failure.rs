//! The failure of a step as Ruby tells it: a Hash with String keys.
//!
//! Texts are taken in any encoding, with what cannot be read replaced; whatever else is
//! wrong with the Hash is refused by name.

use magnus::{prelude::*, Error, RArray, RHash, RString, Ruby, TryConvert, Value};
use tasker_shared::domain::{FailureKind, StepError};

use crate::encode;
use crate::entry::{raise, Kind};

const KEYS: [&str; 8] = [
    "kind",
    "message",
    "error_class",
    "error_code",
    "backtrace",
    "retry_after_seconds",
    "context",
    "results",
];

/// Reads a failure.
///
/// # Errors
/// `TaskerCore::EncodingError` naming the key at fault.
pub(crate) fn read(ruby: &Ruby, error: Value) -> Result<StepError, Error> {
    let Some(hash) = RHash::from_value(error) else {
        return Err(refused(ruby, "error", "expected a Hash with String keys"));
    };
    let keys: RArray = hash.funcall("keys", ())?;
    for key in keys {
        let known =
            RString::from_value(key).is_some_and(|key| KEYS.contains(&&*encode::lossy(key)));
        if !known {
            let problem = format!(
                "unknown key {}; keys are {}",
                key.inspect(),
                KEYS.join(", ")
            );
            return Err(refused(ruby, "error", &problem));
        }
    }
    let get = |key: &str| -> Option<Value> { hash.get(ruby.str_new(key)) };
    let given = |key: &str| get(key).filter(|value| !value.is_nil());
    let text = |key: &str| -> Result<Option<String>, Error> {
        match given(key) {
            None => Ok(None),
            Some(value) => match RString::from_value(value) {
                Some(text) => Ok(Some(encode::lossy(text))),
                None => Err(refused(ruby, &format!("error.{key}"), "expected a String")),
            },
        }
    };
    let required = |key: &str| -> Result<String, Error> {
        text(key)?.ok_or_else(|| refused(ruby, &format!("error.{key}"), "is missing"))
    };
    let kind = match required("kind")?.as_str() {
        "retryable" => FailureKind::Retryable,
        "permanent" => FailureKind::Permanent,
        "panic" => FailureKind::Panic,
        other => {
            let problem = format!("{other:?} is none of retryable, permanent, panic");
            return Err(refused(ruby, "error.kind", &problem));
        }
    };
    let mut failure =
        StepError::permanent(required("message")?).with_class(required("error_class")?);
    failure.kind = kind;
    failure.error_code = text("error_code")?;
    failure.backtrace = text("backtrace")?;
    if let Some(seconds) = given("retry_after_seconds") {
        failure.retry_after_ms = Some(milliseconds(ruby, seconds)?);
    }
    if let Some(context) = given("context") {
        failure.context = Some(encode::to_json(ruby, "error.context", context)?);
    }
    // Results of nil are results too.
    if let Some(results) = get("results") {
        failure.results = Some(encode::to_json(ruby, "error.results", results)?);
    }
    Ok(failure)
}

/// A pause that lies in the past is none.
fn milliseconds(ruby: &Ruby, seconds: Value) -> Result<u64, Error> {
    let number = f64::try_convert(seconds).ok().filter(|s| s.is_finite());
    let Some(number) = number else {
        let problem = format!("{} is no finite number", seconds.inspect());
        return Err(refused(ruby, "error.retry_after_seconds", &problem));
    };
    Ok((number.max(0.0) * 1000.0).ceil() as u64)
}

fn refused(ruby: &Ruby, path: &str, problem: &str) -> Error {
    raise(
        ruby,
        Kind::Encoding,
        "invalid_failure",
        format!("{path}: {problem}"),
    )
}
