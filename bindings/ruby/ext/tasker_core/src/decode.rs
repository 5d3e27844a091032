//! From JSON values to fresh Ruby objects.
//!
//! Nothing is frozen but the keys of hashes, which Ruby freezes itself; keys are interned,
//! so that a thousand hashes of one shape share them.

use std::ffi::{c_char, c_long};

use magnus::rb_sys::{protect, FromRawValue};
use magnus::{Error, Value};
use rb_sys::VALUE;
use serde_json::{Number, Value as Json};

/// Makes a Ruby object of `json`.
///
/// # Errors
/// `NoMemoryError`.
pub(crate) fn to_ruby(json: &Json) -> Result<Value, Error> {
    let raw = protect(|| {
        // SAFETY: called with Ruby's lock, by `protect`. The frames below own nothing, so
        // an exception may pass over them.
        #[allow(unsafe_code)]
        unsafe {
            any(json)
        }
    })?;
    // SAFETY: an object made just now.
    #[allow(unsafe_code)]
    Ok(unsafe { Value::from_raw(raw) })
}

/// SAFETY, of this and what follows: only with Ruby's lock and inside `protect`. Every
/// object is on the stack, where the collector finds it, until it is inside another.
/// The depth is that of a document the engine has stored: 128 at most.
#[allow(unsafe_code)]
unsafe fn any(json: &Json) -> VALUE {
    unsafe {
        match json {
            Json::Null => rb_sys::Qnil.into(),
            Json::Bool(true) => rb_sys::Qtrue.into(),
            Json::Bool(false) => rb_sys::Qfalse.into(),
            Json::Number(number) => self::number(number),
            Json::String(text) => string(text),
            Json::Array(items) => {
                let array = rb_sys::rb_ary_new_capa(items.len() as c_long);
                for item in items {
                    rb_sys::rb_ary_push(array, any(item));
                }
                array
            }
            Json::Object(fields) => {
                let hash = rb_sys::rb_hash_new();
                for (key, value) in fields {
                    let key = interned(key);
                    rb_sys::rb_hash_aset(hash, key, any(value));
                }
                hash
            }
        }
    }
}

#[allow(unsafe_code)]
unsafe fn number(number: &Number) -> VALUE {
    unsafe {
        if let Some(signed) = number.as_i64() {
            rb_sys::rb_ll2inum(signed)
        } else if let Some(unsigned) = number.as_u64() {
            rb_sys::rb_ull2inum(unsigned)
        } else {
            rb_sys::rb_float_new(number.as_f64().unwrap_or_default())
        }
    }
}

#[allow(unsafe_code)]
unsafe fn string(text: &str) -> VALUE {
    unsafe { rb_sys::rb_utf8_str_new(start(text), text.len() as c_long) }
}

#[allow(unsafe_code)]
unsafe fn interned(text: &str) -> VALUE {
    unsafe {
        let encoding = rb_sys::rb_utf8_encoding();
        rb_sys::rb_enc_interned_str(start(text), text.len() as c_long, encoding)
    }
}

/// Where Ruby may read. An empty text of Rust's begins nowhere, and Ruby looks all the same.
fn start(text: &str) -> *const c_char {
    if text.is_empty() {
        c"".as_ptr()
    } else {
        text.as_ptr().cast()
    }
}
