//! The edges of the JSON door; the files of the corpus are walked elsewhere.

use proptest::prelude::*;
use serde_json::{json, Value};

use super::{check_json, parse_json, JsonLimits};

fn code(text: &str) -> &'static str {
    match parse_json(text.as_bytes(), &JsonLimits::default()) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

fn path(text: &str) -> String {
    parse_json(text.as_bytes(), &JsonLimits::default())
        .unwrap_err()
        .path
        .unwrap()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn numbers_that_come_back_changed_are_refused() {
    for good in [
        "0",
        "-0",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "1e30",
        "0.1",
        "123456789012345678901234567890.5",
    ] {
        assert_eq!(code(good), "ok", "{good}");
    }
    for bad in [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1e309",
        "-1e400",
        "1000000000000000000000000000000",
    ] {
        assert_eq!(code(bad), "json_number", "{bad}");
    }
    assert_eq!(
        path(r#"{"a":[1,"99999999999999999999",2.5,{"b":99999999999999999999}]}"#),
        "/a/3/b"
    );
}

#[test]
fn problems_are_found_where_they_stand() {
    assert_eq!(path(r#"{"a":{"b/c":[0,"x\u0000"]}}"#), "/a/b~1c/1");
    assert_eq!(path(r#"{"a":1,"b":{"~":1,"~":2}}"#), "/b/~0");
    assert_eq!(code("{\"a\\u0000\":1}"), "json_nul");
    assert_eq!(code(r#"{"a":1,"\u0061":2}"#), "json_duplicate_key");
    assert_eq!(path("1e400 ".trim()).as_str(), "");
}

#[test]
fn depth_is_counted_not_guessed() {
    assert_eq!(code(&nested(64)), "ok");
    assert_eq!(code(&nested(65)), "json_too_deep");
    assert_eq!(code(&nested(100_000)), "json_too_deep");
    let deep = JsonLimits {
        max_depth: 10_000,
        ..JsonLimits::default()
    };
    assert_eq!(
        parse_json(nested(200).as_bytes(), &deep)
            .unwrap_err()
            .code(),
        "json_too_deep"
    );
}

#[test]
fn size_is_bounded_before_parsing_and_in_memory() {
    let limits = JsonLimits {
        max_bytes: 10,
        ..JsonLimits::default()
    };
    assert!(parse_json(b"\"12345678\"", &limits).is_ok());
    assert_eq!(
        parse_json(b"\"123456789\"", &limits).unwrap_err().code(),
        "json_too_large"
    );
    assert!(check_json(&json!("12345678"), &limits).is_ok());
    assert_eq!(
        check_json(&json!("123456789"), &limits).unwrap_err().code(),
        "json_too_large"
    );
}

#[test]
fn every_truncation_of_a_document_is_refused() {
    let text = r#"{"a":[1.5,true,null,"\u00e9\ud83d\ude00"],"b":{}}"#;
    for end in 0..text.len() {
        assert_ne!(code(&text[..end]), "ok", "{}", &text[..end]);
    }
    assert_eq!(code(text), "ok");
}

#[test]
fn the_encoding_is_checked() {
    let limits = JsonLimits::default();
    assert_eq!(
        parse_json(b"\"\xff\"", &limits).unwrap_err().code(),
        "json_not_utf8"
    );
    assert_eq!(
        parse_json(b"\xef\xbb\xbf1", &limits).unwrap_err().code(),
        "json_byte_order_mark"
    );
    for bad in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\u0041""#] {
        assert_eq!(code(bad), "json_surrogate", "{bad}");
    }
    assert_eq!(
        (code("1 2"), code("NaN"), code("[1,]"), code("")),
        (
            "json_trailing",
            "json_syntax",
            "json_syntax",
            "json_truncated"
        )
    );
}

#[test]
fn a_value_in_memory_meets_the_same_rules() {
    let limits = JsonLimits::default();
    let mut deep = json!(0);
    for _ in 0..65 {
        deep = json!([deep]);
    }
    assert_eq!(
        check_json(&deep, &limits).unwrap_err().code(),
        "json_too_deep"
    );
    let error = check_json(&json!({"a": ["", "\0"]}), &limits).unwrap_err();
    assert_eq!(
        (error.code(), error.path.as_deref()),
        ("json_nul", Some("/a/1"))
    );
    assert_eq!(
        check_json(&json!({"\0": 1}), &limits).unwrap_err().code(),
        "json_nul"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        "[^\\x00]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[^\\x00]{0,6}", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_json(&bytes, &JsonLimits::default());
    }

    #[test]
    fn text_that_looks_like_json_never_panics(text in "[\\[\\]{}:,\"\\\\0-9eE.+-u a-f]{0,80}") {
        let _ = parse_json(text.as_bytes(), &JsonLimits::default());
    }

    #[test]
    fn what_passes_the_check_also_passes_the_parser_unchanged(value in any_json()) {
        let limits = JsonLimits::default();
        prop_assert_eq!(check_json(&value, &limits), Ok(value.to_string().len()));
        let text = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(parse_json(&text, &limits), Ok(value));
    }
}
