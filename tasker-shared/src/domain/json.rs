//! The one door for JSON: what comes through can be stored and read back.
//!
//! `serde_json` and the database's `jsonb` disagree at the edges: the one takes
//! `\u0000`, which the other cannot store; the other takes 1e400, which the one
//! cannot read back; both keep the last of two equal keys without a word, and
//! an integer beyond 64 bits would come back rounded. All of that is refused
//! here, with the place where it stands.
//!
//! Accepted numbers: i64, and finite f64 written with a point or an exponent.
//! 2^63 and more would fit PostgreSQL's numeric and Rust's u64, and no bigint
//! column and few of the languages handlers are written in. Size and depth are bounded before anything is built.

mod reader;

use std::fmt;
use std::io;

use serde_json::Value;

/// Bounds on one document. `max_depth` counts nested arrays and objects; the
/// parser underneath stops at 127 whatever is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    pub max_bytes: usize,
    pub max_depth: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            max_bytes: 256 * 1024,
            max_depth: 64,
        }
    }
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonProblem {
    TooLarge { bytes: usize, limit: usize },
    TooDeep { limit: usize },
    ByteOrderMark,
    NotUtf8,
    Nul,
    DuplicateKey,
    Number,
    Surrogate,
    Truncated,
    Trailing,
    Syntax(String),
}

/// A refused document: the problem and, where known, the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    pub problem: JsonProblem,
    /// JSON pointer to the value at fault, where the reader had got that far.
    pub path: Option<String>,
    /// Line and column, from 1, where the text was parsed.
    pub position: Option<(usize, usize)>,
}

impl JsonError {
    fn new(problem: JsonProblem) -> Self {
        Self {
            problem,
            path: None,
            position: None,
        }
    }

    fn at(problem: JsonProblem, path: String) -> Self {
        Self {
            path: Some(path),
            ..Self::new(problem)
        }
    }

    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self.problem {
            JsonProblem::TooLarge { .. } => "json_too_large",
            JsonProblem::TooDeep { .. } => "json_too_deep",
            JsonProblem::ByteOrderMark => "json_byte_order_mark",
            JsonProblem::NotUtf8 => "json_not_utf8",
            JsonProblem::Nul => "json_nul",
            JsonProblem::DuplicateKey => "json_duplicate_key",
            JsonProblem::Number => "json_number",
            JsonProblem::Surrogate => "json_surrogate",
            JsonProblem::Truncated => "json_truncated",
            JsonProblem::Trailing => "json_trailing",
            JsonProblem::Syntax(_) => "json_syntax",
        }
    }
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(f, "{bytes} bytes of JSON, more than the {limit} allowed")
            }
            Self::TooDeep { limit } => {
                write!(f, "nested deeper than the {limit} levels allowed")
            }
            Self::ByteOrderMark => f.write_str("starts with a byte order mark; send plain UTF-8"),
            Self::NotUtf8 => f.write_str("is not valid UTF-8"),
            Self::Nul => f.write_str("contains the character U+0000, which cannot be stored"),
            Self::DuplicateKey => f.write_str("the object has this key twice; keep one"),
            Self::Number => f.write_str(
                "a number outside -2^63 to 2^63-1 and double precision; send it as a string",
            ),
            Self::Surrogate => f.write_str("a \\u escape is half of a surrogate pair"),
            Self::Truncated => f.write_str("the text ends before the JSON value does"),
            Self::Trailing => f.write_str("text follows after the JSON value"),
            Self::Syntax(message) => write!(f, "is not JSON: {message}"),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_deref() {
            Some("") => f.write_str("at the top: ")?,
            Some(path) => write!(f, "at {}: ", path.escape_debug())?,
            None => {}
        }
        self.problem.fmt(f)?;
        if let Some((line, column)) = self.position {
            write!(f, " (line {line} column {column})")?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

/// Parses one JSON document under the rules of this module.
pub fn parse_json(bytes: &[u8], limits: &JsonLimits) -> Result<Value, JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::new(JsonProblem::TooLarge {
            bytes: bytes.len(),
            limit: limits.max_bytes,
        }));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::new(JsonProblem::ByteOrderMark));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::new(JsonProblem::NotUtf8))?;
    reader::read(text, limits)
}

/// Applies the same rules to a value already in memory, such as a handler's result.
///
/// `max_bytes` bounds the compact text the value would be stored as; returns the
/// length of that text.
pub fn check_json(value: &Value, limits: &JsonLimits) -> Result<usize, JsonError> {
    // Depth first: it bounds the recursion of everything after it.
    check_value(value, 0, limits).map_err(|mut refusal| {
        refusal.path.reverse();
        JsonError::at(refusal.problem, pointer(&refusal.path))
    })?;
    let mut counter = ByteCounter::default();
    let written = serde_json::to_writer(&mut counter, value);
    if written.is_err() || counter.bytes > limits.max_bytes {
        return Err(JsonError::new(JsonProblem::TooLarge {
            bytes: counter.bytes,
            limit: limits.max_bytes,
        }));
    }
    Ok(counter.bytes)
}

/// What is refused, and where: the path is made on the way out, from the inside, so that
/// what is accepted costs none.
struct Refusal {
    problem: JsonProblem,
    path: Vec<String>,
}

impl Refusal {
    fn of(problem: JsonProblem) -> Self {
        Self {
            problem,
            path: Vec::new(),
        }
    }

    fn inside(mut self, segment: &impl ToString) -> Self {
        self.path.push(segment.to_string());
        self
    }
}

fn check_value(value: &Value, depth: usize, limits: &JsonLimits) -> Result<(), Refusal> {
    match value {
        Value::String(text) if text.contains('\0') => Err(Refusal::of(JsonProblem::Nul)),
        Value::Number(number) if number.is_u64() && !number.is_i64() => {
            Err(Refusal::of(JsonProblem::Number))
        }
        Value::Array(_) | Value::Object(_) if depth >= limits.max_depth => {
            let limit = limits.max_depth;
            Err(Refusal::of(JsonProblem::TooDeep { limit }))
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(i, item)| {
            check_value(item, depth + 1, limits).map_err(|refusal| refusal.inside(&i))
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(key, item)| {
            if key.contains('\0') {
                return Err(Refusal::of(JsonProblem::Nul).inside(key));
            }
            check_value(item, depth + 1, limits).map_err(|refusal| refusal.inside(key))
        }),
        _ => Ok(()),
    }
}

/// Writes `segments` as a JSON pointer.
pub(crate) fn pointer<S: AsRef<str>>(segments: &[S]) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        text.push_str(&segment.as_ref().replace('~', "~0").replace('/', "~1"));
    }
    text
}

#[derive(Default)]
struct ByteCounter {
    bytes: usize,
}

impl io::Write for ByteCounter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.bytes += buffer.len();
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
