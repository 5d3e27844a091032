//! Strictness as in Rails, and schemas that must not be trusted.

use serde_json::{json, Value};

use super::{check_schema, compile, explain};

/// `pointer code` of every problem of `context`, sorted.
fn problems(schema: &Value, context: &Value) -> Vec<String> {
    let validator = compile(schema).unwrap();
    let mut found: Vec<String> = validator
        .iter_errors(context)
        .flat_map(|error| explain(&error))
        .map(|p| format!("{} {}", p.pointer, p.code))
        .collect();
    found.sort();
    found
}

fn refused(schema: &Value) -> Vec<&'static str> {
    check_schema(schema)
        .problems
        .iter()
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn declared_properties_are_required_and_others_refused_at_every_level() {
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer"},
            "note": {"type": "string", "default": ""},
            "items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}
        }
    });
    assert_eq!(
        problems(&schema, &json!({"id": 1, "items": [{"sku": "a"}]})),
        [""; 0]
    );
    assert_eq!(
        problems(&schema, &json!({"extra": 1, "items": [{"SKU": "a"}]})),
        [
            "/extra context_additional_properties",
            "/id context_required",
            "/items/0/SKU context_additional_properties",
            "/items/0/sku context_required"
        ]
    );
}

#[test]
fn an_object_that_speaks_of_additional_properties_itself_is_believed() {
    let open = json!({"properties": {"a": {}}, "additionalProperties": true});
    assert_eq!(problems(&open, &json!({"a": 1, "b": 2})), [""; 0]);
    assert_eq!(problems(&open, &json!({"b": 2})), ["/a context_required"]);
    let patterned = json!({"properties": {"a": {}}, "patternProperties": {"^x_": {}}});
    assert_eq!(problems(&patterned, &json!({"a": 1, "x_b": 2})), [""; 0]);
    assert_eq!(
        problems(&patterned, &json!({"a": 1, "y": 2})),
        ["/y context_additional_properties"]
    );
    assert_eq!(
        problems(&json!({"type": "object"}), &json!({"anything": 1})),
        [""; 0]
    );
}

#[test]
fn data_that_looks_like_a_schema_is_left_alone() {
    let schema = json!({"properties": {"properties": {"enum": [{"properties": {"a": 1}}]}}});
    assert_eq!(
        problems(&schema, &json!({"properties": {"properties": {"a": 1}}})),
        [""; 0]
    );
}

#[test]
fn strictness_stops_at_not() {
    let schema = json!({"properties": {"a": {"not": {"properties": {"b": {"type": "string"}}, "required": ["b"]}}}});
    assert_eq!(
        problems(&schema, &json!({"a": {"b": "x", "c": 1}})),
        ["/a context_not"]
    );
}

#[test]
fn messages_name_the_remedy_and_never_the_value() {
    let schema = json!({"properties": {"pin": {"type": "integer"}}});
    let validator = compile(&schema).unwrap();
    let context = json!({"pin": "s3cret"});
    let problem = validator
        .iter_errors(&context)
        .flat_map(|error| explain(&error))
        .next()
        .unwrap();
    let text = problem.to_string();
    assert!(
        text.contains("/pin") && text.contains("integer") && text.contains("send"),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn draft_4_is_the_default_and_schema_chooses_another() {
    let exclusive = json!({"properties": {"n": {"minimum": 0, "exclusiveMinimum": true}}});
    assert_eq!(problems(&exclusive, &json!({"n": 0})).len(), 1);
    let later = json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"n": {"const": 1}}});
    assert_eq!(problems(&later, &json!({"n": 2})), ["/n context_const"]);
    assert_eq!(
        refused(&json!({"$schema": "http://example.com/mine"})),
        ["invalid_schema"]
    );
}

#[test]
fn nothing_is_fetched_and_nothing_goes_round() {
    assert_eq!(
        refused(&json!({"properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}})),
        ["remote_reference"]
    );
    assert_eq!(
        refused(&json!({"$ref": "file:///etc/passwd"})),
        ["remote_reference"]
    );
    assert_eq!(
        refused(&json!({"$ref": "#/definitions/none"})),
        ["invalid_schema"]
    );
    assert_eq!(refused(&json!({"$ref": "#"})), ["invalid_schema"]);
    let ring = json!({"allOf": [{"$ref": "#/definitions/a"}], "definitions": {
        "a": {"anyOf": [{"$ref": "#/definitions/b"}]}, "b": {"$ref": "#/definitions/a"}}});
    assert_eq!(refused(&ring), ["invalid_schema"]);
    let tree = json!({"properties": {"child": {"default": 0, "$ref": "#"}}});
    assert_eq!(refused(&tree), [""; 0]);
}

#[test]
fn references_may_neither_multiply_nor_chain_without_end() {
    let chained = |len: usize, times: usize| {
        let link = |i: usize| json!({"allOf": vec![json!({"$ref": format!("#/definitions/d{}", i + 1)}); times]});
        let mut definitions: serde_json::Map<_, _> =
            (0..len).map(|i| (format!("d{i}"), link(i))).collect();
        definitions.insert(format!("d{len}"), json!({"type": "string"}));
        json!({"properties": {"a": {"$ref": "#/definitions/d0"}}, "definitions": definitions})
    };
    assert_eq!(refused(&chained(40, 2)), ["invalid_schema"]);
    assert_eq!(refused(&chained(3000, 1)), ["invalid_schema"]);
    assert_eq!(refused(&chained(5, 2)), [""; 0]);
    let longest = chained(15, 1);
    assert_eq!(refused(&longest), [""; 0]);
    assert_eq!(problems(&longest, &json!({"a": 1})), ["/a context_type"]);
}

#[test]
fn the_deepest_schema_and_context_fit_the_stack() {
    let mut schema = json!({"type": "string"});
    let mut context = json!("x");
    for _ in 0..31 {
        schema = json!({"properties": {"a": schema}});
        context = json!({"a": context});
    }
    assert_eq!(refused(&schema), [""; 0]);
    assert_eq!(problems(&schema, &context), [""; 0]);
}

#[test]
fn a_malformed_schema_is_refused_and_a_pattern_cannot_run_away() {
    assert_eq!(refused(&json!({"type": "strnig"})), ["invalid_schema"]);
    assert_eq!(
        refused(&json!({"properties": {"a": {"pattern": "("}}})),
        ["invalid_schema"]
    );
    let schema = json!({"properties": {"a": {"pattern": "^(a|a)*(?=b)\\1$"}}});
    let found = problems(&schema, &json!({"a": "a".repeat(60)}));
    assert_eq!(found, ["/a context_pattern"]);
}

#[test]
fn keywords_nothing_enforces_are_warned_about() {
    let schema = json!({"properties": {"a": {"const": 1}, "b": {"requierd": true}, "const": {}}});
    let warnings: Vec<_> = check_schema(&schema)
        .warnings
        .into_iter()
        .map(|f| f.pointer)
        .collect();
    assert_eq!(warnings, ["/properties/a/const", "/properties/b/requierd"]);
}
