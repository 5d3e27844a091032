//! What must never be stored, asked for in every way a client can think of.

use anyhow::Result;
use serde_json::json;

use super::harness::{Answer, Api};

async fn submit(api: &Api, body: impl Into<reqwest::Body>) -> Result<Answer> {
    let answer = api.post("/v1/tasks", body).await?;
    assert_eq!(api.rows().await?, 0, "{answer:?}");
    Ok(answer)
}

#[tokio::test]
async fn json_that_cannot_be_stored_is_refused_with_its_place() -> Result<()> {
    let api = Api::with_order().await?;
    let with = |value: &str| {
        format!(
            r#"{{"name": "order", "namespace": "api", "context": {{"order_id": 1, "x": {value}}}}}"#
        )
    };
    for (value, reason, field) in [
        (r#""a\u0000b""#, "json_nul", Some("/context/x")),
        (r#"{"a\u0000": 1}"#, "json_nul", None),
        (r#""\ud800""#, "json_surrogate", None),
        ("1e400", "json_number", Some("/context/x")),
        ("-1e400", "json_number", Some("/context/x")),
        ("9223372036854775808", "json_number", Some("/context/x")),
        ("18446744073709551616", "json_number", Some("/context/x")),
        (
            "1000000000000000000000000000000",
            "json_number",
            Some("/context/x"),
        ),
        (r#"{"k": 1, "k": 2}"#, "json_duplicate_key", None),
        ("NaN", "json_syntax", None),
        ("01", "json_syntax", None),
        (&"[".repeat(5_000), "json_too_deep", None),
        ("1}} x", "json_trailing", None),
    ] {
        let problem = submit(&api, with(value)).await?.problem();
        assert_eq!(
            (problem.status, problem.reason.as_deref()),
            (400, Some(reason)),
            "{value:.40}: {problem:?}"
        );
        if let Some(field) = field {
            assert_eq!(problem.errors[0].field, field, "{value:.40}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn numbers_that_can_be_kept_are_kept() -> Result<()> {
    let api = Api::with_order().await?;
    let context = r#"{"order_id":9223372036854775807,"a":9007199254740993,"c":-9223372036854775808,"d":1e308}"#;
    let body = format!(r#"{{"name": "free", "namespace": "api", "context": {context}}}"#);
    let answer = api.post("/v1/tasks", body).await?;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.json()["task_id"].as_i64().unwrap();
    let shown = api.get(&format!("/v1/tasks/{id}")).await?.json();
    let given: serde_json::Value = serde_json::from_str(context)?;
    for key in ["order_id", "a", "c"] {
        assert_eq!(shown["context"][key], given[key], "{key}");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_cut_anywhere_is_refused() -> Result<()> {
    let api = Api::with_order().await?;
    let body =
        r#"{"name":"order","namespace":"api","context":{"order_id":1,"x":[1,"é"]}}"#.as_bytes();
    for end in 0..body.len() {
        let answer = submit(&api, body[..end].to_vec()).await?;
        assert_eq!(answer.problem().status, 400, "cut at {end}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_fields_are_named() -> Result<()> {
    let api = Api::with_order().await?;
    for (body, status, field) in [
        (
            json!({"namespace": "api", "context": {"order_id": 1}}),
            422,
            "/name",
        ),
        (
            json!({"name": "order", "namespace": "api"}),
            422,
            "/context",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "contxt": {}}),
            422,
            "/contxt",
        ),
        (
            json!({"name": ["order"], "namespace": "api", "context": {"order_id": 1}}),
            422,
            "/name",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "priority": "1"}),
            422,
            "/priority",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "priority": 101}),
            422,
            "/priority",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "tags": "red"}),
            422,
            "/tags",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "tags": ["a", ""]}),
            422,
            "/tags/1",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "initiator": "x".repeat(129)}),
            422,
            "/initiator",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": 1}, "idempotency_key": "a b"}),
            422,
            "/idempotency_key",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {"order_id": "1"}}),
            422,
            "/context/order_id",
        ),
        (
            json!({"name": "order", "namespace": "api", "context": {}}),
            422,
            "/context/order_id",
        ),
    ] {
        let problem = submit(&api, body.to_string()).await?.problem();
        assert_eq!(problem.status, status, "{body}");
        assert!(
            problem.errors.iter().any(|error| error.field == field),
            "{body}: {problem:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_context_is_an_object() -> Result<()> {
    let api = Api::with_order().await?;
    for context in [
        json!(null),
        json!([]),
        json!([{"order_id": 1}]),
        json!("x"),
        json!(1),
        json!(true),
    ] {
        let body = json!({"name": "order", "namespace": "api", "context": context});
        let problem = submit(&api, body.to_string()).await?.problem();
        assert_eq!(
            (problem.status, problem.errors[0].field.as_str()),
            (422, "/context"),
            "{body}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_context_over_the_limit_is_refused() -> Result<()> {
    let api = Api::with_order().await?;
    let body = |bytes: usize| {
        json!({"name": "free", "namespace": "api", "context": {"x": "y".repeat(bytes)}}).to_string()
    };
    let problem = submit(&api, body(262_144)).await?.problem();
    assert_eq!(
        (problem.status, problem.errors[0].field.as_str()),
        (422, "/context")
    );
    assert_eq!(submit(&api, body(1_048_576)).await?.problem().status, 413);
    assert_eq!(api.post("/v1/tasks", body(262_000)).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn nesting_is_allowed_to_the_limit_and_no_further() -> Result<()> {
    let api = Api::with_order().await?;
    let body = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"name": "free", "namespace": "api", "context": {{"x": {value}}}}}"#)
    };
    // The context itself is the first of the 64 levels.
    for depth in [64, 65, 66, 128, 10_000] {
        let status = submit(&api, body(depth)).await?.problem().status;
        assert!(matches!(status, 400 | 422), "{depth}: {status}");
    }
    assert_eq!(api.post("/v1/tasks", body(63)).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn hostile_names_are_refused_and_harm_nothing() -> Result<()> {
    let api = Api::with_order().await?;
    let hostile = [
        "",
        " ",
        "a'b",
        "a\"b",
        "a;drop table tasker_tasks",
        "a--b",
        "../etc",
        "a$b",
        "%s",
        "{}",
        "ünï",
        "\u{202e}x",
        "a\u{200b}",
        "\u{1f600}",
        "\\",
    ];
    for name in hostile {
        for field in ["name", "namespace", "version"] {
            let mut body = json!({"name": "order", "namespace": "api", "context": {"order_id": 1}});
            body[field] = json!(name);
            let problem = submit(&api, body.to_string()).await?.problem();
            let named = problem
                .errors
                .iter()
                .any(|error| error.field == format!("/{field}"));
            assert!(problem.status == 422 && named, "{body}: {problem:?}");
        }
    }
    for namespace in ["UPPER", &"a".repeat(30), "1a", "a-b"] {
        let body = json!({"name": "order", "namespace": namespace, "context": {"order_id": 1}});
        assert_eq!(
            submit(&api, body.to_string()).await?.problem().status,
            422,
            "{namespace}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn unknown_templates_and_versions_are_told_apart() -> Result<()> {
    let api = Api::with_order().await?;
    for (body, field, says) in [
        (
            json!({"name": "nothing", "namespace": "api", "context": {"a": 1}}),
            "/name",
            "not registered",
        ),
        (
            json!({"name": "order", "context": {"a": 1}}),
            "/namespace",
            "api",
        ),
        (
            json!({"name": "nowhere", "context": {"a": 1}}),
            "/name",
            "not registered",
        ),
        (
            json!({"name": "order", "namespace": "api", "version": "2.0.0", "context": {"a": 1}}),
            "/version",
            "1.0.0",
        ),
    ] {
        let problem = submit(&api, body.to_string()).await?.problem();
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (422, "TSK-1002"),
            "{body}"
        );
        assert_eq!(problem.errors[0].field, field, "{body}");
        assert!(problem.errors[0].problem.contains(says), "{problem:?}");
    }
    Ok(())
}

#[tokio::test]
async fn list_parameters_are_checked() -> Result<()> {
    let api = Api::start().await?;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=99999999999", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%27%3B--", "cursor"),
        ("state=running", "state"),
        ("from=2024-13-01T00:00:00Z", "from"),
        ("to=-0001-01-01T00:00:00Z", "to"),
        ("tag=a%00b", "query"),
    ] {
        let problem = api.get(&format!("/v1/tasks?{query}")).await?.problem();
        assert_eq!(
            (problem.status, problem.errors[0].field.as_str()),
            (400, field),
            "{query}"
        );
    }
    let ancient = api.get("/v1/tasks?from=%2B262000-01-01T00:00:00Z").await?;
    assert_eq!(ancient.problem().errors[0].field, "from");
    for query in [
        "from=9999-12-31T23:59:59Z",
        "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999999Z",
    ] {
        assert_eq!(
            api.get(&format!("/v1/tasks?{query}")).await?.status,
            200,
            "{query}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn includes_are_checked() -> Result<()> {
    let api = Api::start().await?;
    for include in ["step", "steps,everything", ",", ""] {
        let problem = api
            .get(&format!("/v1/tasks/1?include={include}"))
            .await?
            .problem();
        assert_eq!(
            (problem.status, problem.errors[0].field.as_str()),
            (400, "include"),
            "{include}"
        );
    }
    Ok(())
}
