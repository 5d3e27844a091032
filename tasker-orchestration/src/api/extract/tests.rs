//! What requests may look like, and what each refusal says.

use axum::http::{HeaderMap, Request};
use serde_json::json;
use tasker_shared::wire::{Problem, TaskFilter, TaskRequest};

use super::{from_value, require_type, FromRequestParts, NoParams, Params, JSON_TYPES, YAML_TYPES};

fn refused(body: serde_json::Value) -> Problem {
    from_value::<TaskRequest>(body).unwrap_err().into_problem()
}

#[test]
fn every_wrong_field_is_named_by_pointer() {
    for (body, field, says) in [
        (json!({"context": {}}), "/name", "missing field"),
        (json!({"name": "a"}), "/context", "missing field"),
        (
            json!({"name": "a", "context": {}, "nmae": 1}),
            "/nmae",
            "unknown field",
        ),
        (
            json!({"name": "a", "context": {}, "a/b~c": 1}),
            "/a~1b~0c",
            "unknown field",
        ),
        (
            json!({"name": 7, "context": {}}),
            "/name",
            "expected a string",
        ),
        (
            json!({"name": "a", "context": {}, "priority": "high"}),
            "/priority",
            "expected i32",
        ),
        (
            json!({"name": "a", "context": {}, "priority": 1_i64 << 40}),
            "/priority",
            "expected i32",
        ),
        (
            json!({"name": "a", "context": {}, "tags": ["x", 3]}),
            "/tags/1",
            "expected a string",
        ),
    ] {
        let problem = refused(body);
        assert_eq!(problem.status, 422);
        assert_eq!(problem.errors[0].field, field, "{problem:?}");
        assert!(problem.errors[0].problem.contains(says), "{problem:?}");
    }
}

#[test]
fn a_list_is_not_read_as_the_fields_in_order() {
    for body in [
        json!(["a", null, null, {}]),
        json!("a"),
        json!(null),
        json!(3),
    ] {
        let problem = refused(body);
        assert_eq!(
            (problem.status, problem.errors[0].field.as_str()),
            (422, "")
        );
    }
}

#[test]
fn a_long_value_is_not_repeated_in_full() {
    let problem = refused(json!({"name": "a", "context": {}, "priority": "x".repeat(100_000)}));
    assert!(serde_json::to_string(&problem).unwrap().len() < 2_000);
}

#[test]
fn only_plain_json_and_yaml_types_are_read() {
    let of = |pairs: &[(&'static str, &str)]| -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    };
    let accepted = [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ];
    for value in accepted {
        assert_eq!(
            require_type(&of(&[("content-type", value)]), &[JSON_TYPES]).unwrap(),
            "application/json"
        );
    }
    let yaml = of(&[("content-type", "text/yaml")]);
    assert!(require_type(&yaml, &[JSON_TYPES]).is_err());
    assert_eq!(
        require_type(&yaml, &[JSON_TYPES, YAML_TYPES]).unwrap(),
        "text/yaml"
    );
    for headers in [
        of(&[]),
        of(&[("content-type", "text/plain")]),
        of(&[("content-type", "application/json; charset=utf-16")]),
        of(&[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ]),
    ] {
        assert_eq!(
            require_type(&headers, &[JSON_TYPES]).unwrap_err().status(),
            415,
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn every_wrong_query_parameter_is_named() {
    for (query, field) in [
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("state=done", "state"),
        ("from=yesterday", "from"),
        ("from=+12345-01-01T00:00:00Z", "from"),
        ("bogus=1", "bogus"),
        ("tag=a&tag=b", "tag"),
    ] {
        let (mut parts, ()) = Request::get(format!("/v1/tasks?{query}"))
            .body(())
            .unwrap()
            .into_parts();
        let error = Params::<TaskFilter>::from_request_parts(&mut parts, &())
            .await
            .err()
            .unwrap();
        let problem = error.into_problem();
        assert_eq!(
            (problem.status, problem.errors[0].field.as_str()),
            (400, field),
            "{query}: {problem:?}"
        );
    }
    let (mut parts, ()) = Request::get("/?x=1").body(()).unwrap().into_parts();
    assert!(Params::<NoParams>::from_request_parts(&mut parts, &())
        .await
        .is_err());
}
