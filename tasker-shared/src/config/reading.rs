//! Checking one value against the row of its key.
//!
//! A value arrives either typed, from a file, or as text, from a variable or a
//! flag; both go through [`Key::read`], so a value is refused in the same words
//! wherever it was written. What a refusal quotes is short and never a URL.

use std::net::SocketAddr;

use ::config::ValueKind;
use tracing_subscriber::EnvFilter;

use super::database_url;
use super::keys::{Key, Kind};
use crate::domain::Namespace;

/// A value as found.
pub(super) enum Raw<'a> {
    Typed(&'a ValueKind),
    Text(&'a str),
}

/// Why a value is refused: a stable code and a sentence that follows the key.
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Key {
    /// Checks a value and gives it its type.
    pub(super) fn read(&self, raw: &Raw<'_>) -> Result<ValueKind, Refusal> {
        match &self.kind {
            Kind::Boolean => self.boolean(raw),
            Kind::Integer { min, max } => self.integer(raw, *min, *max),
            Kind::Namespaces => self.namespaces(raw),
            _ => self.text(raw),
        }
    }

    fn boolean(&self, raw: &Raw<'_>) -> Result<ValueKind, Refusal> {
        match raw {
            Raw::Typed(ValueKind::Boolean(value)) => Ok((*value).into()),
            Raw::Text("true") => Ok(true.into()),
            Raw::Text("false") => Ok(false.into()),
            _ => Err(self.refuse("wrong_type", raw)),
        }
    }

    fn integer(&self, raw: &Raw<'_>, min: i64, max: i64) -> Result<ValueKind, Refusal> {
        let value = match raw {
            Raw::Typed(ValueKind::I64(value)) => *value,
            // How a file's number beyond 64 bits arrives.
            Raw::Typed(ValueKind::I128(_)) => return Err(self.refuse("out_of_range", raw)),
            Raw::Text(text) => text
                .trim()
                .replace('_', "")
                .parse()
                .map_err(|_| self.refuse("wrong_type", raw))?,
            Raw::Typed(_) => return Err(self.refuse("wrong_type", raw)),
        };
        if (min..=max).contains(&value) {
            Ok(value.into())
        } else {
            Err(self.refuse("out_of_range", raw))
        }
    }

    fn namespaces(&self, raw: &Raw<'_>) -> Result<ValueKind, Refusal> {
        let names: Vec<String> = match raw {
            Raw::Text(text) => text
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
            Raw::Typed(ValueKind::Array(values)) => values
                .iter()
                .map(|value| match &value.kind {
                    ValueKind::String(text) => Ok(text.clone()),
                    _ => Err(self.refuse("wrong_type", raw)),
                })
                .collect::<Result<_, _>>()?,
            Raw::Typed(_) => return Err(self.refuse("wrong_type", raw)),
        };
        if let Some(bad) = names.iter().find(|name| Namespace::parse(name).is_err()) {
            return Err(self.refuse("invalid_value", &Raw::Text(bad)));
        }
        Ok(names.into())
    }

    fn text(&self, raw: &Raw<'_>) -> Result<ValueKind, Refusal> {
        let text = match raw {
            Raw::Typed(ValueKind::String(text)) => text.as_str(),
            Raw::Text(text) => text,
            Raw::Typed(_) => return Err(self.refuse("wrong_type", raw)),
        };
        if let Kind::DatabaseUrl = self.kind {
            if !text.is_empty() {
                database_url::check(text).map_err(|message| Refusal {
                    code: "invalid_value",
                    message,
                })?;
            }
        } else if !self.accepts(text) {
            return Err(self.refuse("invalid_value", raw));
        }
        Ok(text.into())
    }

    fn accepts(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Choice(choices) => choices.contains(&text),
            Kind::Text {
                max_chars, allowed, ..
            } => text.chars().count() <= *max_chars && text.chars().all(allowed),
            Kind::Path => !text.is_empty() && text.len() <= 4_096 && !text.contains('\0'),
            Kind::Identifier => is_identifier(text),
            Kind::Address => text.parse::<SocketAddr>().is_ok(),
            Kind::Directives => are_directives(text),
            Kind::Boolean | Kind::Integer { .. } | Kind::Namespaces | Kind::DatabaseUrl => false,
        }
    }

    fn refuse(&self, code: &'static str, raw: &Raw<'_>) -> Refusal {
        let expected = self.expected();
        let message = if self.is_secret() {
            format!("must be {expected}")
        } else {
            format!("is {}; allowed: {expected}", found(raw))
        };
        Refusal { code, message }
    }

    fn expected(&self) -> String {
        match &self.kind {
            Kind::Boolean => "true or false".to_owned(),
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Choice(choices) => choices.join(" or "),
            Kind::Text { expected, .. } => (*expected).to_owned(),
            Kind::Path => "a path, not empty".to_owned(),
            Kind::Identifier => {
                "a lower-case SQL identifier of at most 63 characters, not beginning with pg_"
                    .to_owned()
            }
            Kind::Address => "an IP address and port, such as 127.0.0.1:8080 or [::1]:8080".into(),
            Kind::Directives => "off, error, warn, info, debug, trace, or a list such as \
                                 info,tasker_shared=debug"
                .to_owned(),
            Kind::Namespaces => "a list of namespaces, each a lower-case letter followed by at \
                                 most 28 of a-z, 0-9 and _"
                .to_owned(),
            Kind::DatabaseUrl => "text".to_owned(),
        }
    }
}

/// What was found, short, and silent about anything that looks like a URL: a
/// database URL written under the wrong key must not reach a log either.
fn found(raw: &Raw<'_>) -> String {
    let text = match raw {
        Raw::Text(text) => text,
        Raw::Typed(ValueKind::String(text)) => text.as_str(),
        Raw::Typed(ValueKind::Table(_)) => return "a table".to_owned(),
        Raw::Typed(ValueKind::Array(_)) => return "a list".to_owned(),
        Raw::Typed(ValueKind::Nil) => return "a date or time".to_owned(),
        Raw::Typed(other) => return other.to_string(),
    };
    if text.contains("://") {
        return "a URL".to_owned();
    }
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && text.len() <= 63
        && !text.starts_with("pg_")
}

/// `EnvFilter` takes any bare word for the name of a module, so that a misspelt
/// level would silence every log. A bare word must be a level here.
fn are_directives(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let bare_words_are_levels = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.contains(['=', '[', ']', '}']))
        .all(|part| LEVELS.contains(&part.to_ascii_lowercase().as_str()));
    !text.trim().is_empty() && bare_words_are_levels && EnvFilter::try_new(text).is_ok()
}
