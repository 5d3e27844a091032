//! Reads text into a `Value` while checking what `serde_json` lets through.
//!
//! A serde visitor over `serde_json`'s own parser: the grammar is not written
//! twice. The visitor knows the path; `serde_json` knows line and column. The
//! one thing neither shows is how a number was spelled, so a scan over the text
//! first finds the number that would be rounded, and the visitor, counting
//! numbers in the same order, finds the path to it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use super::{pointer, JsonError, JsonLimits, JsonProblem};

pub(super) fn read(text: &str, limits: &JsonLimits) -> Result<Value, JsonError> {
    let mut reader = Reader {
        path: Vec::new(),
        max_depth: limits.max_depth,
        numbers: 0,
        bad_number: first_rounded_integer(text.as_bytes()),
        failure: None,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = reader.deserialize(&mut deserializer);
    let whole = value.and_then(|value| deserializer.end().map(|()| value));
    whole.map_err(|error| describe(&error, reader, limits))
}

fn describe(error: &serde_json::Error, reader: Reader, limits: &JsonLimits) -> JsonError {
    let position = Some((error.line(), error.column()));
    if let Some((problem, path)) = reader.failure {
        return JsonError {
            problem,
            path: Some(path),
            position,
        };
    }
    // `serde_json` types its errors no further than the category; the texts
    // matched below are pinned by the corpus.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let problem = match error.classify() {
        Category::Eof => JsonProblem::Truncated,
        _ if message.contains("recursion limit") => JsonProblem::TooDeep {
            limit: limits.max_depth.min(127),
        },
        _ if message.contains("number out of range") => JsonProblem::Number,
        _ if message.contains("surrogate") || message.contains("end of hex escape") => {
            JsonProblem::Surrogate
        }
        _ if message.contains("trailing characters") => JsonProblem::Trailing,
        _ => JsonProblem::Syntax(message.to_owned()),
    };
    // An error leaves the path where it happened. It is not given for broken
    // grammar, where the line says more than the last value that was whole.
    let path = matches!(problem, JsonProblem::Number | JsonProblem::Surrogate)
        .then(|| pointer(&reader.path));
    JsonError {
        problem,
        path,
        position,
    }
}

/// Ordinal, from 1, of the first integer beyond 64 bits, which would be read
/// as a float and lose digits. Anything written with a point or an exponent is
/// a float by its author's choice.
fn first_rounded_integer(text: &[u8]) -> Option<usize> {
    let mut ordinal = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte == b'"' {
            while let Some(&inside) = text.get(at) {
                at += 1;
                match inside {
                    b'"' => break,
                    b'\\' => at += 1,
                    _ => {}
                }
            }
        } else if byte == b'-' || byte.is_ascii_digit() {
            let start = at - 1;
            while text
                .get(at)
                .is_some_and(|b| b.is_ascii_digit() || b"+-.eE".contains(b))
            {
                at += 1;
            }
            ordinal += 1;
            if !fits(&text[start..at]) {
                return Some(ordinal);
            }
        }
    }
    None
}

fn fits(number: &[u8]) -> bool {
    // Up to 18 digits always fit, and a token that is no number fails later.
    if number.len() <= 18 || number.iter().any(|b| b".eE".contains(b)) {
        return true;
    }
    let text = std::str::from_utf8(number).unwrap_or_default();
    text.parse::<i64>().is_ok()
}

struct Reader {
    path: Vec<String>,
    max_depth: usize,
    numbers: usize,
    bad_number: Option<usize>,
    failure: Option<(JsonProblem, String)>,
}

impl Reader {
    fn fail<E: serde::de::Error>(&mut self, problem: JsonProblem) -> E {
        let error = E::custom(&problem);
        self.failure = Some((problem, pointer(&self.path)));
        error
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.path.len() >= self.max_depth {
            let limit = self.max_depth;
            return Err(self.fail(JsonProblem::TooDeep { limit }));
        }
        Ok(())
    }

    fn number<E: serde::de::Error>(&mut self, number: Option<Number>) -> Result<Value, E> {
        self.numbers += 1;
        match number {
            Some(number) if self.bad_number != Some(self.numbers) => Ok(Value::Number(number)),
            _ => Err(self.fail(JsonProblem::Number)),
        }
    }

    fn text<E: serde::de::Error>(&mut self, text: String) -> Result<String, E> {
        if text.contains('\0') {
            return Err(self.fail(JsonProblem::Nul));
        }
        Ok(text)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(Some(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(Some(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.number(Number::from_f64(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.text(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut array = Vec::new();
        self.path.push("0".to_owned());
        while let Some(item) = items.next_element_seed(&mut *self)? {
            array.push(item);
            if let Some(last) = self.path.last_mut() {
                *last = array.len().to_string();
            }
        }
        self.path.pop();
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            self.path.push(key.clone());
            let key = self.text(key)?;
            if object.contains_key(&key) {
                return Err(self.fail(JsonProblem::DuplicateKey));
            }
            let value = fields.next_value_seed(&mut *self)?;
            self.path.pop();
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
