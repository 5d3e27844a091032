//! Unquoted words: what they mean, where two YAML readers agree on it.
//!
//! Template files are shared with the Rails engine, whose reader (Psych) speaks
//! YAML 1.1 with additions of its own, while ours speaks YAML 1.2. `retryable:
//! no` is false there and the word "no" here; `010` is 8 there and 10 here.
//! Taking either side silently would run a workflow its author did not write,
//! so such a word is refused with both readings named, and a file that is
//! accepted means the same to both engines. Quoting resolves it.

use serde_json::Number;

use super::yaml::{shown, Kind};

/// Why a word is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// How Psych reads an unquoted word, where that is not plain text to both.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rails {
    Bool,
    Null,
    Integer,
    /// Octal, binary or with separators: an integer in YAML 1.1 only.
    OddInteger,
    Float,
    OddFloat,
    Base60,
    Symbol,
    Date,
    /// Text to Psych, a number in YAML 1.2.
    NumberInTwo,
    /// A float that is no JSON number.
    NotFinite,
    Text,
}

/// Reads one unquoted word; `None` if it is text as it stands.
pub(super) fn read(word: &str) -> Result<Option<Kind>, Refusal> {
    Ok(Some(match rails_reading(word) {
        Rails::Bool if matches!(word, "true" | "True" | "TRUE") => Kind::Bool(true),
        Rails::Bool if matches!(word, "false" | "False" | "FALSE") => Kind::Bool(false),
        Rails::Null if matches!(word, "" | "~" | "null" | "Null" | "NULL") => Kind::Null,
        Rails::Integer => integer(word)?,
        Rails::Float => float(word)?,
        Rails::NotFinite => return Err(not_finite(word)),
        Rails::Text => return Ok(None),
        other => return Err(ambiguous(word, other)),
    }))
}

fn integer(word: &str) -> Result<Kind, Refusal> {
    let number = if let Some(hex) = word.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok().map(Number::from)
    } else {
        let signed = word.parse::<i64>().ok().map(Number::from);
        signed.or_else(|| word.parse::<u64>().ok().map(Number::from))
    };
    number.map(Kind::Number).ok_or_else(|| Refusal {
        code: "yaml_number",
        message: format!("{} does not fit a 64-bit integer; quote it", shown(word)),
    })
}

fn float(word: &str) -> Result<Kind, Refusal> {
    let value = word.parse::<f64>().unwrap_or(f64::NAN);
    // jsonb keeps no sign on zero; dropping it here keeps the digest stable.
    let value = if value == 0.0 { 0.0 } else { value };
    let number = Number::from_f64(value);
    number.map(Kind::Number).ok_or_else(|| not_finite(word))
}

fn not_finite(word: &str) -> Refusal {
    Refusal {
        code: "yaml_number",
        message: format!(
            "{} is not a finite number; quote it if it is text",
            shown(word)
        ),
    }
}

fn ambiguous(word: &str, rails: Rails) -> Refusal {
    const PLAIN: &str = "write the plain decimal number, or quote it";
    let leading_zero = word
        .trim_start_matches(['-', '+'])
        .bytes()
        .all(|b| b.is_ascii_digit());
    let (theirs, ours, remedy) = match rails {
        Rails::Bool => ("a boolean", "text", "write true or false, or quote it"),
        Rails::Null => ("nothing", "text", "write null, or quote it"),
        Rails::OddInteger if leading_zero => ("an octal number", "a decimal one", PLAIN),
        Rails::Symbol => ("a symbol", "text", "quote it"),
        Rails::Date => ("a date, which is refused there,", "text", "quote it"),
        Rails::Base60 => ("a number in base 60", "text", PLAIN),
        Rails::NumberInTwo => ("text", "a number", PLAIN),
        _ => ("a number", "text", PLAIN),
    };
    Refusal {
        code: "yaml_ambiguous",
        message: format!(
            "{} without quotes is {theirs} to the Rails engine and {ours} to YAML 1.2; {remedy}",
            shown(word)
        ),
    }
}

fn rails_reading(word: &str) -> Rails {
    let is_one_of = |known: &[&str]| known.iter().any(|k| word.eq_ignore_ascii_case(k));
    if is_one_of(&["yes", "no", "on", "off", "true", "false"]) {
        return Rails::Bool;
    }
    if is_one_of(&["", "null", "~"]) {
        return Rails::Null;
    }
    if is_one_of(&[".inf", "+.inf", "-.inf", ".nan"]) {
        return Rails::NotFinite;
    }
    if word.len() > 1 && word.starts_with(':') {
        return Rails::Symbol;
    }
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Rails::Text;
    }
    if looks_like_date(digits) {
        return Rails::Date;
    }
    if is_base_60(digits) {
        return Rails::Base60;
    }
    let reading = integer_reading(digits, word).or_else(|| float_reading(digits));
    reading.unwrap_or_else(|| {
        if is_number_in_two(digits) {
            Rails::NumberInTwo
        } else {
            Rails::Text
        }
    })
}

fn all_of(text: &str, allowed: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| allowed.contains(c))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn integer_reading(digits: &str, word: &str) -> Option<Rails> {
    const HEX: &str = "0123456789abcdefABCDEF";
    if all_digits(digits) && (digits == "0" || !digits.starts_with('0')) {
        return Some(Rails::Integer);
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        let unsigned = digits.len() == word.len();
        if all_of(hex, HEX) && unsigned {
            return Some(Rails::Integer);
        }
        return all_of(hex, &format!("{HEX}_")).then_some(Rails::OddInteger);
    }
    let binary = digits
        .strip_prefix("0b")
        .is_some_and(|rest| all_of(rest, "01_"));
    let octal = digits
        .strip_prefix('0')
        .is_some_and(|rest| all_of(rest, "01234567_"));
    let grouped = !digits.starts_with(['0', '.']) && all_of(digits, "0123456789_,");
    (binary || octal || grouped).then_some(Rails::OddInteger)
}

/// `[0-9][0-9_,]* . [0-9]* ([eE][+-][0-9]+)?`: the sign of the exponent is required.
fn float_reading(digits: &str) -> Option<Rails> {
    let (whole, rest) = digits.split_once('.')?;
    let (fraction, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "+0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or("");
    let has_digit = !whole.is_empty() || !fraction.is_empty();
    let rest_fits = all_digits(fraction) && !exponent.is_empty() && all_digits(exponent);
    let grouped = whole.is_empty() || all_of(whole, "0123456789_,");
    if !(has_digit && rest_fits && grouped) {
        return None;
    }
    Some(if all_digits(whole) {
        Rails::Float
    } else {
        Rails::OddFloat
    })
}

/// What YAML 1.2 takes for a number beyond Psych's: `1e3`, `1.5e3`, `0o14`.
fn is_number_in_two(digits: &str) -> bool {
    if let Some(octal) = digits.strip_prefix("0o") {
        return all_of(octal, "01234567");
    }
    let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) else {
        return false;
    };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digit = !whole.is_empty() || !fraction.is_empty();
    has_digit
        && all_digits(whole)
        && all_digits(fraction)
        && !exponent.is_empty()
        && all_digits(exponent)
}

/// `1:30`, `1:30:00`, `1:30.5`
fn is_base_60(digits: &str) -> bool {
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or("");
    let first_fits = all_of(first, "0123456789_") && !first.starts_with('_');
    let rest: Vec<&str> = parts.collect();
    let sixtieths = |part: &&str| {
        let whole = part.split('.').next().unwrap_or("");
        !whole.is_empty() && whole.len() <= 2 && all_of(part, "0123456789._")
    };
    first_fits && (1..=2).contains(&rest.len()) && rest.iter().all(sixtieths)
}

/// `2024-01-31`, alone or with a time behind it.
fn looks_like_date(digits: &str) -> bool {
    let day = digits.split(['T', 't', ' ']).next().unwrap_or("");
    let parts: Vec<&str> = day.split('-').collect();
    parts.len() == 3
        && parts[0].len() == 4
        && parts[1..].iter().all(|part| (1..=2).contains(&part.len()))
        && parts.iter().all(|part| all_digits(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{read, Kind};

    #[test]
    fn words_that_two_readers_understand_differently_are_refused() {
        for word in [
            "yes",
            "No",
            "ON",
            "off",
            "tRue",
            "010",
            "0755",
            "-010",
            "1_000",
            "1,000",
            "0b11",
            "1:30",
            "-1:30:00",
            "190:20:30.15",
            ":sym",
            "::A::B",
            "2024-01-31",
            "2024-1-1 10:00:00",
            "NuLL",
            "1_0.5",
            "1e3",
            "1.5e3",
            "0o14",
            "0xFF_FF",
            "-0x1F",
            "1e400",
        ] {
            assert_eq!(read(word).unwrap_err().code, "yaml_ambiguous", "{word}");
        }
    }

    #[test]
    fn words_that_are_text_to_both_stay_text() {
        for word in [
            "y",
            "n",
            "nope",
            "order",
            "a:b",
            ":",
            "1.0.0",
            "v1",
            "10 apples",
            "1.2.3.4",
            "12:30pm",
            "08:xx",
            "2024-01-31-a",
            "-",
            "...",
            ".",
            "-.",
            "12345-6789",
            "089",
            "0x",
            "1e",
            "e3",
            "+",
            "1.2e",
            "0o9",
        ] {
            assert_eq!(read(word).unwrap(), None, "{word}");
        }
    }

    #[test]
    fn words_that_mean_a_value_to_both_have_it() {
        for (word, value) in [
            ("1.5", json!(1.5)),
            ("1.5e+3", json!(1500.0)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("-0.0", json!(0.0)),
            ("0x1F", json!(31)),
            ("-4", json!(-4)),
            ("+4", json!(4)),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            let Some(Kind::Number(number)) = read(word).unwrap() else {
                panic!("{word}")
            };
            assert_eq!(json!(number).to_string(), value.to_string(), "{word}");
        }
        assert_eq!(read("True").unwrap(), Some(Kind::Bool(true)));
        assert_eq!(read("~").unwrap(), Some(Kind::Null));
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_refused() {
        for word in [
            ".nan",
            "-.INF",
            "1.0e+400",
            "18446744073709551616",
            "0x10000000000000000",
        ] {
            assert_eq!(read(word).unwrap_err().code, "yaml_number", "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in "[-+0-9a-zA-Z_.,:~]{0,12}|.{0,12}") {
            let _ = read(&word);
        }
    }
}
