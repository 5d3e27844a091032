//! Validated names: what a namespace, template, version or step may be called.
//!
//! Every name that reaches a queue name, a file path, a SQL identifier or a
//! unique index is one of these types, so the check is made once, at the door.
//! All names are ASCII: two spellings of one name (NFC and NFD, bidirectional
//! overrides, zero-width letters) cannot exist side by side.
//!
//! INVARIANT: a value of these types always satisfies its rule; the only ways
//! in are `parse`, `FromStr`, `TryFrom` and the validating `Deserialize`.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest part of a refused name that is repeated in an error message.
const SHOWN_CHARS: usize = 80;

/// A refused name: which kind, what was given, which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {shown} is not valid: {problem}")]
pub struct NameError {
    /// What the name was meant to be: `namespace`, `template name`, ...
    pub kind: &'static str,
    /// The given text, escaped and cut, safe to log.
    pub shown: String,
    /// The rule, written so that it also says the remedy.
    pub problem: &'static str,
}

impl NameError {
    fn new(kind: &'static str, given: &str, problem: &'static str) -> Self {
        let mut shown: String = given.chars().take(SHOWN_CHARS).collect();
        if shown.len() < given.len() {
            shown.push_str("...");
        }
        Self {
            kind,
            shown: format!("\"{}\"", shown.escape_debug()),
            problem,
        }
    }

    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Namespace::KIND => "invalid_namespace",
            TemplateName::KIND => "invalid_template_name",
            Version::KIND => "invalid_version",
            _ => "invalid_step_name",
        }
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What messages call this kind of name.
            pub const KIND: &'static str = $kind;

            /// Checks `text` against the rule of this kind of name.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(problem) => Err(NameError::new(Self::KIND, text, problem)),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(problem) => Err(NameError::new(Self::KIND, &text, problem)),
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

/// Ordering and map look-ups by text. [`Version`] has its own: it orders by number.
macro_rules! text_order {
    ($name:ident) => {
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.cmp(&other.0)
            }
        }
    };
}

name_type!(
    /// Isolation and routing unit, one queue each: `^[a-z][a-z0-9_]{0,28}$`.
    ///
    /// Lower case only, because PGMQ folds `UPPER` and `upper` into one table,
    /// and 29 letters, because PGMQ allows 47 for the whole queue name.
    Namespace, "namespace", check_namespace
);
text_order!(Namespace);

name_type!(
    /// Name of a template: 1 to 64 of `[A-Za-z0-9_./:-]`, starting with a letter,
    /// digit or underscore, and made of plain path segments, since it is also
    /// the path under which the file is looked up.
    TemplateName, "template name", check_template_name
);
text_order!(TemplateName);

name_type!(
    /// Version of a template: three numbers, `1.0.0`, at most 16 letters.
    Version, "version", check_version
);

name_type!(
    /// Name of a step, unique in its template: 1 to 128 of `[A-Za-z0-9_ ./:-]`,
    /// starting with a letter, digit or underscore.
    StepName, "step name", check_step_name
);
text_order!(StepName);

impl Namespace {
    /// The namespace of a template that names none, as in Rails.
    pub fn default_namespace() -> Self {
        Self("default".to_owned())
    }

    /// Name of the queue that carries this namespace's steps.
    pub fn step_queue(&self) -> String {
        format!("steps_{}", self.0)
    }
}

impl Version {
    /// The version of a template that names none, as in Rails.
    pub fn default_version() -> Self {
        Self("0.1.0".to_owned())
    }

    fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        // Sixteen letters hold at most twelve digits in a row: every part fits.
        self.0
            .split('.')
            .map(|part| part.parse().unwrap_or(u64::MAX))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    /// By number, so that 0.10.0 is newer than 0.9.0; the text decides between
    /// 1.0.0 and 1.0.00, which keeps the order consistent with equality.
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers()
            .cmp(other.numbers())
            .then_with(|| self.0.cmp(&other.0))
    }
}

fn check_namespace(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let starts_well = bytes.first().is_some_and(u8::is_ascii_lowercase);
    let rest_fits = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
    if starts_well && rest_fits && bytes.len() <= 29 {
        Ok(())
    } else {
        Err("use 1 to 29 of a-z, 0-9 and _, starting with a letter")
    }
}

fn check_template_name(text: &str) -> Result<(), &'static str> {
    check_letters(text, 64, b"_./:-").map_err(|()| {
        "use 1 to 64 of letters, digits and _ . / : -, starting with a letter, digit or _"
    })?;
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("a path segment may not be empty, \".\" or \"..\"");
    }
    Ok(())
}

fn check_step_name(text: &str) -> Result<(), &'static str> {
    check_letters(text, 128, b"_ ./:-").map_err(|()| {
        "use 1 to 128 of letters, digits, space and _ . / : -, starting with a letter, digit or _"
    })?;
    if text.ends_with(' ') {
        return Err("it may not end with a space, which nobody would see");
    }
    Ok(())
}

fn check_letters(text: &str, longest: usize, marks: &[u8]) -> Result<(), ()> {
    let starts_well = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let all_fit = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || marks.contains(&b));
    if starts_well && all_fit && text.len() <= longest {
        Ok(())
    } else {
        Err(())
    }
}

fn check_version(text: &str) -> Result<(), &'static str> {
    let mut parts = 0;
    let digits_only = text.split('.').all(|part| {
        parts += 1;
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
    });
    if digits_only && parts == 3 && text.len() <= 16 {
        Ok(())
    } else {
        Err("use three numbers with dots, such as 1.0.0, 16 letters at most")
    }
}

#[cfg(test)]
mod tests;
