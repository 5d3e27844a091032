//! From Ruby objects to JSON values, exactly: what JSON has no word for is refused, with
//! the path to it, and never guessed at.
//!
//! Taken: Hash (keys String or Symbol, others by `to_s`, no two the same text), Array,
//! String and Symbol of valid UTF-8 without U+0000, Integer from -2^63 to 2^63-1, finite
//! Float, true, false, nil, and subclasses of these. Nesting, size and cycles are bounded
//! here, so that no handler's value can take the process down; the limits that the
//! configuration sets are for those who store the value.

use magnus::r_hash::ForEach;
use magnus::rb_sys::{AsRawValue, FromRawValue};
use magnus::{prelude::*, Error, Integer, RArray, RHash, RString, Ruby, Symbol, Value};
use rb_sys::ruby_value_type as rtype;
use rb_sys::VALUE;
use serde_json::{Map, Number, Value as Json};

use crate::entry::{raise, Kind};

/// Nested arrays and hashes.
const MAX_DEPTH: usize = 128;
/// Of the JSON text, as far as it is known beforehand.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Converts `value`; `name` is what messages call it.
///
/// # Errors
/// `TaskerCore::EncodingError` with the path to what cannot be converted; what a key's
/// `to_s` raises.
pub(crate) fn to_json(ruby: &Ruby, name: &str, value: Value) -> Result<Json, Error> {
    let mut encoder = Encoder {
        open: Vec::new(),
        bytes: 0,
    };
    encoder.any(value).map_err(|refusal| match refusal {
        Refusal::Value { problem, path } => {
            let message = format!("{name}{}: {problem}", written(path));
            raise(ruby, Kind::Encoding, "not_json", message)
        }
        Refusal::Raised(error) => error,
    })
}

/// The path from the outside in; the middle of a long one is left out.
fn written(mut path: Vec<String>) -> String {
    const ENDS: usize = 8;
    path.reverse();
    if path.len() > 2 * ENDS {
        path.splice(ENDS..path.len() - ENDS, ["[...]".to_owned()]);
    }
    path.concat()
}

/// Why a value is refused.
enum Refusal {
    /// Segments of the path from the inside out.
    Value {
        problem: String,
        path: Vec<String>,
    },
    Raised(Error),
}

impl Refusal {
    fn of(problem: impl Into<String>) -> Self {
        Self::Value {
            problem: problem.into(),
            path: Vec::new(),
        }
    }

    fn inside(mut self, segment: impl FnOnce() -> String) -> Self {
        if let Self::Value { path, .. } = &mut self {
            path.push(segment());
        }
        self
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Raised(error)
    }
}

struct Encoder {
    /// Arrays and hashes around the value at hand.
    open: Vec<VALUE>,
    bytes: usize,
}

impl Encoder {
    fn any(&mut self, value: Value) -> Result<Json, Refusal> {
        // SAFETY: `value` is a live Ruby object, on the stack of the caller.
        #[allow(unsafe_code)]
        let kind = unsafe { rb_sys::RB_TYPE(value.as_raw()) };
        match kind {
            rtype::RUBY_T_STRING => self.string(value).map(Json::String),
            rtype::RUBY_T_HASH => self.nested(value, Self::hash),
            rtype::RUBY_T_ARRAY => self.nested(value, Self::array),
            rtype::RUBY_T_FIXNUM | rtype::RUBY_T_BIGNUM => self.integer(value),
            rtype::RUBY_T_FLOAT => self.float(value),
            rtype::RUBY_T_NIL => self.spend(4).map(|()| Json::Null),
            rtype::RUBY_T_TRUE => self.spend(4).map(|()| Json::Bool(true)),
            rtype::RUBY_T_FALSE => self.spend(5).map(|()| Json::Bool(false)),
            rtype::RUBY_T_SYMBOL => self.symbol(value).map(Json::String),
            _ => Err(Refusal::of(format!(
                "{} is no JSON value: convert it to a Hash, Array, String, Integer, Float, true, false or nil",
                class_of(value)
            ))),
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= MAX_BYTES {
            return Ok(());
        }
        Err(Refusal::of(format!(
            "here the value passes {} MiB: pass a reference to data kept elsewhere",
            MAX_BYTES / (1024 * 1024)
        )))
    }

    fn nested(
        &mut self,
        value: Value,
        inside: impl FnOnce(&mut Self, Value) -> Result<Json, Refusal>,
    ) -> Result<Json, Refusal> {
        let raw = value.as_raw();
        if self.open.contains(&raw) {
            return Err(Refusal::of(format!("{} contains itself", class_of(value))));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(Refusal::of(format!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        self.spend(2)?;
        self.open.push(raw);
        let json = inside(self, value)?;
        self.open.pop();
        Ok(json)
    }

    fn array(&mut self, value: Value) -> Result<Json, Refusal> {
        let Some(array) = RArray::from_value(value) else {
            return Err(Refusal::of("is no Array"));
        };
        let mut items = Vec::with_capacity(array.len());
        // By index and anew each time: a key's `to_s` further in may change the array.
        let mut at = 0;
        while at < array.len() {
            // SAFETY: `array` is a live Array. Beyond its end, which may have moved, the
            // answer is nil.
            #[allow(unsafe_code)]
            let item = unsafe { Value::from_raw(rb_sys::rb_ary_entry(array.as_raw(), at as i64)) };
            self.spend(1)?;
            let item = self.any(item);
            items.push(item.map_err(|refusal| refusal.inside(|| format!("[{at}]")))?);
            at += 1;
        }
        Ok(Json::Array(items))
    }

    fn hash(&mut self, value: Value) -> Result<Json, Refusal> {
        let Some(hash) = RHash::from_value(value) else {
            return Err(Refusal::of("is no Hash"));
        };
        let mut fields = Map::with_capacity(hash.len());
        let mut refused = None;
        hash.foreach(|key: Value, item: Value| {
            match self.field(key, item) {
                Ok((key, item)) if !fields.contains_key(&key) => {
                    fields.insert(key, item);
                    Ok(ForEach::Continue)
                }
                Ok((key, _)) => {
                    let twice = Refusal::of("two keys of the Hash are the same text: keep one");
                    refused = Some(twice.inside(|| segment(&key)));
                    Ok(ForEach::Stop)
                }
                // Ended first and raised then: an exception would pass over what is
                // owned here.
                Err(refusal) => {
                    refused = Some(refusal);
                    Ok(ForEach::Stop)
                }
            }
        })?;
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(Json::Object(fields)),
        }
    }

    fn field(&mut self, key: Value, item: Value) -> Result<(String, Json), Refusal> {
        let name = self.key(key)?;
        let json = self.any(item);
        match json {
            Ok(json) => Ok((name, json)),
            Err(refusal) => Err(refusal.inside(|| segment(&name))),
        }
    }

    fn key(&mut self, key: Value) -> Result<String, Refusal> {
        // Two quotes and a colon are counted with the comma, as 1.
        let named = |refusal: Refusal| refusal.inside(|| format!(" (key {})", shown(key)));
        if RString::from_value(key).is_some() {
            return self.string(key).map_err(named);
        }
        if Symbol::from_value(key).is_some() {
            return self.symbol(key).map_err(named);
        }
        let text: Value = key.funcall("to_s", ())?;
        if RString::from_value(text).is_none() {
            return Err(named(Refusal::of("to_s of the key returns no String")));
        }
        self.string(text).map_err(named)
    }

    fn string(&mut self, value: Value) -> Result<String, Refusal> {
        let raw = value.as_raw();
        // SAFETY: `value` is a live String, and nothing calls Ruby while its bytes are
        // borrowed.
        #[allow(unsafe_code)]
        let bytes = unsafe {
            let length = rb_sys::RSTRING_LEN(raw) as usize;
            std::slice::from_raw_parts(rb_sys::RSTRING_PTR(raw).cast::<u8>(), length)
        };
        self.spend(bytes.len() + 3)?;
        if is_unicode(raw) {
            if let Ok(text) = std::str::from_utf8(bytes) {
                return without_nul(text);
            }
            return Err(Refusal::of(
                "the String is not valid UTF-8: scrub or encode it",
            ));
        }
        // Plain ASCII is the same text in every encoding that extends it.
        // SAFETY: `value` is a live String.
        #[allow(unsafe_code)]
        let range = unsafe { rb_sys::rb_enc_str_coderange(raw) };
        if range == rb_sys::ruby_coderange_type::RUBY_ENC_CODERANGE_7BIT as i32 {
            return without_nul(&String::from_utf8_lossy(bytes));
        }
        Err(Refusal::of(format!(
            "the String is {}, not UTF-8: encode it",
            encoding_of(value)
        )))
    }

    fn symbol(&mut self, value: Value) -> Result<String, Refusal> {
        // As a String, for magnus ends the name of a Symbol at U+0000.
        // SAFETY: `value` is a live Symbol, which keeps its String.
        #[allow(unsafe_code)]
        let text = unsafe { Value::from_raw(rb_sys::rb_sym2str(value.as_raw())) };
        self.string(text)
    }

    fn integer(&mut self, value: Value) -> Result<Json, Refusal> {
        self.spend(2)?;
        let integer = Integer::from_value(value);
        integer
            .and_then(|integer| integer.to_i64().ok())
            .map(|number| Json::Number(number.into()))
            .ok_or_else(|| {
                Refusal::of("the Integer is outside -2^63 to 2^63-1: pass it as a String")
            })
    }

    fn float(&mut self, value: Value) -> Result<Json, Refusal> {
        self.spend(3)?;
        // SAFETY: `value` is a live Float.
        #[allow(unsafe_code)]
        let float = unsafe { rb_sys::rb_float_value(value.as_raw()) };
        Number::from_f64(float)
            .map(Json::Number)
            .ok_or_else(|| Refusal::of(format!("{float} is no JSON number: pass nil or a String")))
    }
}

/// PostgreSQL cannot store it.
fn without_nul(text: &str) -> Result<String, Refusal> {
    if text.contains('\0') {
        return Err(Refusal::of("the text contains U+0000: remove it"));
    }
    Ok(text.to_owned())
}

/// Whether the encoding of a String is UTF-8 or a part of it.
fn is_unicode(string: VALUE) -> bool {
    // SAFETY: a live String.
    #[allow(unsafe_code)]
    unsafe {
        let index = rb_sys::rb_enc_get_index(string);
        index == rb_sys::rb_utf8_encindex() || index == rb_sys::rb_usascii_encindex()
    }
}

fn encoding_of(string: Value) -> String {
    string.funcall::<_, _, Value>("encoding", ()).map_or_else(
        |_| "of an unknown encoding".to_owned(),
        |encoding| encoding.to_string(),
    )
}

/// Name of the class of any object, also of one that has no methods.
fn class_of(value: Value) -> String {
    // SAFETY: the name is copied before anything else happens to the class.
    #[allow(unsafe_code)]
    let name = unsafe { value.classname().into_owned() };
    name
}

/// A field in a path: `.name`, or `["what is no name"]`.
fn segment(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && name.chars().all(plain) {
        format!(".{name}")
    } else {
        let short: String = name.chars().take(64).collect();
        format!("[{short:?}]")
    }
}

fn shown(key: Value) -> String {
    let text = key.inspect();
    text.chars().take(64).collect()
}

/// Text of a String however it is encoded: what cannot be read is replaced. For error
/// messages, which must never be the reason that an error is not reported.
pub(crate) fn lossy(string: RString) -> String {
    let raw = string.as_raw();
    let unicode = if is_unicode(raw) {
        string
    } else {
        // SAFETY: a live String and a static encoding. It answers the same String when it
        // cannot convert it, and raises nothing for what is broken.
        #[allow(unsafe_code)]
        let converted = unsafe {
            let to = rb_sys::rb_utf8_encoding();
            let from = rb_sys::rb_enc_get(raw);
            Value::from_raw(rb_sys::rb_str_conv_enc(raw, from, to))
        };
        RString::from_value(converted).unwrap_or(string)
    };
    // SAFETY: copied before Ruby runs again.
    #[allow(unsafe_code)]
    let bytes = unsafe { unicode.as_slice() };
    String::from_utf8_lossy(bytes).into_owned()
}
