//! The rules of names at their edges, and on arbitrary text.

use proptest::prelude::*;

use super::{Namespace, StepName, TemplateName, Version};

#[test]
fn namespaces_end_at_29_letters_and_name_their_queue() {
    let longest = format!("a{}", "9".repeat(28));
    assert!(Namespace::parse(&longest).is_ok());
    assert!(Namespace::parse(&format!("{longest}9")).is_err());
    let queue = Namespace::parse("orders_eu").unwrap().step_queue();
    assert_eq!(queue, "steps_orders_eu");
    for bad in [
        "",
        "A",
        "aB",
        "9a",
        "_a",
        "a-b",
        "a b",
        "a\"b",
        "a;drop",
        "\u{202e}a",
        "a\n",
    ] {
        let error = Namespace::parse(bad).unwrap_err();
        assert_eq!(error.code(), "invalid_namespace", "{bad:?}");
    }
}

#[test]
fn template_names_are_plain_relative_paths() {
    for good in [
        "a",
        "orders/process_order",
        "A::B",
        "v1.2-x",
        "_x",
        "a..b",
        "a/.b",
    ] {
        assert!(TemplateName::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "", "/a", "a/", "a//b", "a/../b", "../a", "a/..", "a/./b", "a b", "-a", ".a", "ünï",
    ] {
        assert!(TemplateName::parse(bad).is_err(), "{bad}");
    }
    assert!(TemplateName::parse(&"x".repeat(64)).is_ok());
    assert!(TemplateName::parse(&"x".repeat(65)).is_err());
}

#[test]
fn step_names_may_hold_spaces_but_not_at_the_edges() {
    assert!(StepName::parse("charge the card").is_ok());
    assert!(StepName::parse(&"x".repeat(128)).is_ok());
    for bad in ["", " a", "a ", "a\tb", ":sym", "a'b", "a%b", "{a}"] {
        assert!(StepName::parse(bad).is_err(), "{bad}");
    }
    assert!(StepName::parse(&"x".repeat(129)).is_err());
}

#[test]
fn versions_are_three_numbers_and_order_by_number() {
    for bad in [
        "",
        "1",
        "1.0",
        "1.0.0.0",
        "1..0",
        "v1.0.0",
        "1.0.0-rc1",
        "1.0.x",
        "12345.67890.12345",
    ] {
        assert_eq!(
            Version::parse(bad).unwrap_err().code(),
            "invalid_version",
            "{bad}"
        );
    }
    let older = Version::parse("0.9.0").unwrap();
    let newer = Version::parse("0.10.0").unwrap();
    assert!(older < newer);
    assert!(Version::parse("999999999999.0.0").unwrap() > newer);
}

#[test]
fn a_refused_name_is_shown_escaped_and_cut() {
    let error = Namespace::parse(&format!("\u{0}\n{}", "x".repeat(500))).unwrap_err();
    assert!(error.shown.starts_with("\"\\0\\n"), "{}", error.shown);
    assert!(error.shown.len() < 120);
}

#[test]
fn deserialization_validates() {
    assert!(serde_json::from_str::<Namespace>("\"ok\"").is_ok());
    assert!(serde_json::from_str::<Namespace>("\"NOT OK\"").is_err());
    assert!(serde_json::from_str::<Version>("1.0").is_err());
}

proptest! {
    #[test]
    fn an_accepted_name_is_what_was_given(text in any::<String>()) {
        if let Ok(name) = Namespace::parse(&text) { prop_assert_eq!(name.as_str(), &text); }
        if let Ok(name) = TemplateName::parse(&text) { prop_assert!(name.as_str().is_ascii()); }
        if let Ok(name) = StepName::parse(&text) { prop_assert!(name.as_str().len() <= 128); }
        if let Ok(name) = Version::parse(&text) { prop_assert!(name.as_str().len() <= 16); }
    }

    #[test]
    fn every_name_in_the_alphabet_is_accepted(text in "[a-z][a-z0-9_]{0,28}") {
        prop_assert!(Namespace::parse(&text).is_ok());
        prop_assert!(StepName::parse(&text).is_ok());
    }
}
