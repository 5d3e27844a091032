//! What a template file may say, on the shapes authors write.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::{
    parse_template, parse_template_within, Parsed, Template, TemplateError, TemplateLimits,
};
use crate::domain::{Backoff, RetryPolicy};

mod corpus;

const ORDER: &str = r"
name: orders/process
namespace_name: orders
version: 1.2.0
description: Takes an order
task_handler_class: Orders::Process
default_dependent_system: shop
concurrent: true
schema:
  type: object
  properties:
    order_id: {type: integer}
step_templates:
  - name: validate
    handler_class: Orders::Validate
  - name: charge
    handler_class: Orders::Charge
    dependent_system: payments
    depends_on_step: validate
    default_retry_limit: 5
    timeout_seconds: 2.5
    retry: {backoff: linear, base_ms: 200, max_ms: 5000, jitter: false}
    handler_config:
      url: https://example.com/${VAR}
      timeout_seconds: 30
      nested: {a: 1, b: [1, 2]}
  - name: ship
    handler_class: Orders::Ship
    depends_on_step: charge
    depends_on_steps: [validate, charge]
    default_retryable: false
environments:
  production:
    description: In production
    step_templates:
      - name: charge
        handler_config:
          nested: {b: 3}
          extra: x
      - name: gone
        handler_class: X
  staging:
    version: 1.2.1
";

fn parse(yaml: &str) -> Result<Parsed, TemplateError> {
    parse_template(yaml, "t.yaml", "test")
}

fn template(yaml: &str) -> Template {
    parse(yaml)
        .unwrap_or_else(|error| panic!("{error}"))
        .template
}

/// `line step code` of every problem.
fn problems(yaml: &str) -> Vec<String> {
    let line = |line: Option<usize>| line.map_or("-".to_owned(), |line| line.to_string());
    let text = |p: super::Problem| {
        format!(
            "{} {} {}",
            line(p.line),
            p.step.unwrap_or("-".to_owned()),
            p.code
        )
    };
    match parse(yaml) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.into_iter().map(text).collect(),
    }
}

/// A minimal template with `fields` on its one step.
fn step(fields: &str) -> String {
    format!("name: t\nstep_templates:\n  - name: a\n    handler_class: A\n{fields}")
}

#[test]
fn every_field_arrives_where_it_belongs() {
    let parsed = parse(ORDER).unwrap();
    let t = &parsed.template;
    assert_eq!(
        (t.namespace.as_str(), t.name.as_str(), t.version.as_str()),
        ("orders", "orders/process", "1.2.0")
    );
    assert_eq!(t.task_handler_class.as_deref(), Some("Orders::Process"));
    assert_eq!(t.steps[0].dependent_system, "shop");
    assert_eq!((t.steps[0].retryable, t.steps[0].retry_limit), (true, 3));
    let charge = &t.steps[1];
    assert_eq!(
        (
            charge.dependent_system.as_str(),
            charge.retry_limit,
            charge.timeout_ms
        ),
        ("payments", 5, Some(2500))
    );
    let retry = RetryPolicy {
        backoff: Backoff::Linear,
        base_ms: 200,
        max_ms: 5000,
        jitter: false,
    };
    assert_eq!(charge.retry, retry);
    let config = json!({"url": "https://example.com/${VAR}", "timeout_seconds": 30, "nested": {"a": 1, "b": [1, 2]}});
    assert_eq!(charge.handler_config, Some(config));
    let parents: Vec<_> = t.steps[2].depends_on.iter().map(AsRef::as_ref).collect();
    assert_eq!(parents, ["charge", "validate"]);
    assert!(!t.steps[2].retryable);
    assert_eq!(t.graph().unwrap().levels(), [0, 1, 2]);
    let warned: Vec<_> = parsed.warnings.iter().map(|w| (w.line, w.code)).collect();
    assert_eq!(
        warned,
        [
            (Some(40), "unknown_step_override"),
            (Some(8), "field_without_effect")
        ]
    );
}

#[test]
fn defaults_are_those_of_rails() {
    let t = template(&step(""));
    assert_eq!(
        (t.namespace.as_str(), t.version.as_str()),
        ("default", "0.1.0")
    );
    assert_eq!(t.steps[0].dependent_system, "unknown");
    assert_eq!(
        (t.steps[0].timeout_ms, t.steps[0].retry),
        (None, RetryPolicy::default())
    );
}

#[test]
fn the_block_of_the_environment_is_merged_deeply() {
    let t = parse_template(ORDER, "t.yaml", "production")
        .unwrap()
        .template;
    assert_eq!(t.description.as_deref(), Some("In production"));
    let config = t.steps[1].handler_config.as_ref().unwrap();
    assert_eq!(config["nested"], json!({"a": 1, "b": 3}));
    assert_eq!(
        (&config["extra"], &config["timeout_seconds"]),
        (&json!("x"), &json!(30))
    );
    assert_eq!(t.steps.len(), 3);
    assert_eq!(
        parse_template(ORDER, "t.yaml", "staging")
            .unwrap()
            .template
            .version
            .as_str(),
        "1.2.1"
    );
}

#[test]
fn other_environments_are_validated_too() {
    let yaml = step("environments:\n  production:\n    version: 2\n    step_templates:\n      - name: a\n        depends_on_step: a\n");
    let error = parse(&yaml).unwrap_err();
    let text = error.to_string();
    assert_eq!(
        problems(&yaml),
        ["7 - invalid_version", "9 a self_dependency"]
    );
    assert!(text.contains("in environment \"production\""), "{text}");
}

#[test]
fn problems_name_file_line_step_and_remedy() {
    let error = parse(&step("    handler_clas: B\n    retry_limit: 3\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:5: step \"a\": unknown field \"handler_clas\"; did you mean handler_class? [unknown_field]\n\
         t.yaml:6: step \"a\": unknown field \"retry_limit\"; did you mean default_retry_limit? [unknown_field]"
    );
    let error = parse("namespace: x\nname: t\nstep_templates: []\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean namespace_name?"), "{error}");
}

#[test]
fn all_problems_are_found_in_one_round() {
    let yaml = "
name: 'bad name!'
version: 1.0
step_templates:
  - name: a
    handler_class: A
    depends_on_step: b
  - name: b
    depends_on_step: a
    default_retryable: no
    timeout_seconds: 0
  - just text
  - name: 7
    handler_class: B
    default_retry_limit: 101
";
    assert_eq!(
        problems(yaml),
        [
            "2 - invalid_template_name",
            "3 - invalid_version",
            "5 a cycle",
            "8 b missing_field",
            "10 - yaml_ambiguous",
            "11 b out_of_range",
            "12 #3 wrong_type",
            "13 #4 wrong_type",
            "15 #4 out_of_range"
        ]
    );
}

#[test]
fn graph_problems_stand_on_the_line_of_the_mention() {
    let yaml = "name: t\nstep_templates:\n- {name: alpha, handler_class: A}\n- name: beta\n  handler_class: A\n  depends_on_steps:\n    - alpha\n    - alhpa\n- {name: alpha, handler_class: A}\n";
    assert_eq!(
        problems(yaml),
        ["8 beta unknown_dependency", "9 alpha duplicate_step"]
    );
    let error = parse(yaml).unwrap_err().to_string();
    assert!(error.contains("the first one is on line 3"), "{error}");
    assert!(error.contains("did you mean \"alpha\"?"), "{error}");
}

#[test]
fn named_steps_are_enforced() {
    let yaml = "named_steps: [a, c]\n".to_owned()
        + &step("  - {name: b, handler_class: B, depends_on_step: a}\n");
    assert_eq!(problems(&yaml), ["6 b not_in_named_steps"]);
}

#[test]
fn schema_problems_stand_on_the_line_of_the_keyword() {
    let yaml = "schema:\n  properties:\n    a:\n      type: strnig\n".to_owned() + &step("");
    assert_eq!(problems(&yaml), ["4 - invalid_schema"]);
}

#[test]
fn ranges_are_inclusive_where_they_say_so() {
    for good in [
        "timeout_seconds: 86400",
        "timeout_seconds: 0.0001",
        "default_retry_limit: 100",
        "retry: {base_ms: 0, max_ms: 86400000}",
        "retry: {}",
        "handler_config:",
        "depends_on_steps: []",
    ] {
        assert_eq!(problems(&step(&format!("    {good}\n"))), [""; 0], "{good}");
    }
    for bad in [
        "timeout_seconds: 86401",
        "timeout_seconds: -1",
        "default_retry_limit: 0",
        "default_retry_limit: 2.5",
        "retry: {base_ms: 400000}",
        "retry: {max_ms: 86400001}",
        "retry: {backoff: sometimes}",
    ] {
        assert_eq!(
            problems(&step(&format!("    {bad}\n"))),
            ["5 a out_of_range"],
            "{bad}"
        );
    }
    let class = |n| {
        step("").replace(
            "handler_class: A",
            &format!("handler_class: {}", "A".repeat(n)),
        )
    };
    assert_eq!(problems(&class(255)), [""; 0]);
    assert_eq!(problems(&class(256)), ["4 a bad_length"]);
}

#[test]
fn the_digest_depends_on_content_and_survives_reordered_keys() {
    let t = template(ORDER);
    let mut json = serde_json::to_value(&t).unwrap();
    let config = json["steps"][1]["handler_config"].as_object_mut().unwrap();
    let reversed: Vec<_> = config.clone().into_iter().rev().collect();
    config.clear();
    config.extend(reversed);
    let again: Template = serde_json::from_value(json).unwrap();
    assert_eq!((again.digest(), again.digest().len()), (t.digest(), 64));
    let mut other = t.clone();
    other.steps[0].retry_limit = 4;
    assert_ne!(other.digest(), t.digest());
}

#[test]
fn the_context_is_checked_against_the_schema() {
    let t = template(ORDER);
    assert!(t.check_context(&json!({"order_id": 1})).is_ok());
    let found = t.check_context(&json!({"order": 1})).unwrap_err();
    assert_eq!(found.len(), 2);
    assert_eq!(
        t.check_context(&json!([1])).unwrap_err()[0].code,
        "context_not_object"
    );
    assert!(template(&step(""))
        .check_context(&json!({"any": 1}))
        .is_ok());
}

#[test]
fn twenty_thousand_steps_are_read_and_one_more_is_refused() {
    let mut yaml = String::from("name: t\nstep_templates:\n- {name: root, handler_class: A}\n");
    for i in 1..20_000 {
        let _ = writeln!(
            yaml,
            "- {{name: s{i}, handler_class: A, depends_on_step: root}}"
        );
    }
    let limits = TemplateLimits {
        max_bytes: 1 << 21,
        ..TemplateLimits::default()
    };
    let read = |yaml: &str| parse_template_within(yaml, "t", "test", &limits);
    assert_eq!(read(&yaml).unwrap().template.steps.len(), 20_000);
    yaml.push_str("- {name: one_more, handler_class: A}\n");
    assert_eq!(read(&yaml).unwrap_err().problems[0].code, "bad_step_count");
}

#[test]
fn a_file_full_of_problems_gets_a_short_report() {
    let mut yaml = String::from("name: t\nstep_templates:\n");
    for i in 0..3000 {
        let _ = writeln!(
            yaml,
            "- {{name: step_{i}, handler_class: A, depends_on_step: stpe_{i}}}"
        );
    }
    let error = parse(&yaml).unwrap_err();
    assert_eq!(error.problems.len(), 101);
    assert_eq!(error.problems[100].code, "too_many_problems");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn a_damaged_template_never_panics(
        start in 0..ORDER.len(), len in 0..20_usize,
        patch in "[ \\n:,\\-#&*!|>'\"%@`{}\\[\\]a-z0-9.<~?\\t\\x00]{0,12}",
    ) {
        let mut text = ORDER.to_owned();
        text.replace_range(start..(start + len).min(ORDER.len()), &patch);
        if let Ok(parsed) = parse(&text) {
            prop_assert!(parsed.template.graph().is_ok());
            prop_assert!(super::ContextValidator::new(&parsed.template).is_ok());
        }
    }
}
