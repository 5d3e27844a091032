//! Registering, validating and reading templates.

use anyhow::Result;
use serde_json::json;

use super::harness::{Answer, Api, ORDER};

async fn post_yaml(
    api: &Api,
    path: &str,
    kind: &str,
    yaml: impl Into<reqwest::Body>,
) -> Result<Answer> {
    let call = api
        .http
        .post(format!("{}{path}", api.base))
        .header("content-type", kind.to_owned());
    Answer::of(call.body(yaml)).await
}

#[tokio::test]
async fn registration_is_201_and_the_same_again_200() -> Result<()> {
    let api = Api::start().await?;
    let first = post_yaml(&api, "/v1/templates", "application/yaml", ORDER).await?;
    assert_eq!(
        (first.status, &first.json()["created"]),
        (201, &json!(true)),
        "{first:?}"
    );
    for kind in ["text/yaml", "application/x-yaml; charset=utf-8"] {
        let again = post_yaml(&api, "/v1/templates", kind, ORDER).await?;
        assert_eq!(
            (again.status, &again.json()["created"]),
            (200, &json!(false)),
            "{again:?}"
        );
    }
    let as_json = api.client.register_template(ORDER).await?;
    assert!(!as_json.created);
    Ok(())
}

#[tokio::test]
async fn registered_templates_are_listed_and_shown() -> Result<()> {
    let api = Api::with_order().await?;
    let nested = ORDER.replace("name: order", "name: shop/order");
    api.client.register_template(&nested).await?;
    let names: Vec<String> = api
        .client
        .templates()
        .await?
        .into_iter()
        .map(|template| template.name)
        .collect();
    assert_eq!(names, ["free", "order", "shop/order"]);
    let shown = api.client.template("api", "shop/order", "1.0.0").await?;
    assert_eq!(
        (shown.summary.name.as_str(), shown.summary.steps),
        ("shop/order", 2)
    );
    assert_eq!(
        shown.definition["steps"][1]["depends_on"],
        json!(["reserve"])
    );
    Ok(())
}

#[tokio::test]
async fn a_faulty_template_is_refused_with_all_its_faults() -> Result<()> {
    let api = Api::start().await?;
    let faulty = ORDER.replace(
        "depends_on_step: reserve",
        "depends_on_step: nobody\n    colour: red",
    );
    let answer = post_yaml(&api, "/v1/templates", "application/yaml", faulty.clone()).await?;
    let problem = answer.problem();
    assert_eq!((problem.status, problem.code.as_str()), (422, "TSK-1005"));
    let told = serde_json::to_string(&problem.template)?;
    assert!(told.contains("nobody") && told.contains("colour"), "{told}");
    assert!(
        problem
            .template
            .iter()
            .any(|fault| fault.line.is_some() && fault.step.is_some()),
        "{told}"
    );
    assert!(api.client.templates().await?.is_empty());
    let checked = api.client.validate_template(&faulty).await?;
    assert!(!checked.valid && !checked.errors.is_empty());
    Ok(())
}

#[tokio::test]
async fn validation_registers_nothing() -> Result<()> {
    let api = Api::start().await?;
    assert!(api.client.validate_template(ORDER).await?.valid);
    assert!(api.client.templates().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn hostile_yaml_is_refused_quickly() -> Result<()> {
    let api = Api::start().await?;
    let levels: Vec<String> = (1..30)
        .map(|i| format!("l{i}: &l{i} [*l{0},*l{0},*l{0},*l{0}]", i - 1))
        .collect();
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        (
            "aliases of aliases",
            format!("l0: &l0 [x]\n{}\n", levels.join("\n")).into_bytes(),
        ),
        ("deep nesting", "[".repeat(200_000).into_bytes()),
        (
            "a huge scalar",
            format!("name: {}", "x".repeat(900_000)).into_bytes(),
        ),
        (
            "duplicate keys",
            format!("{ORDER}\nname: other\n").into_bytes(),
        ),
        (
            "a foreign tag",
            ORDER
                .replace("name: order", "name: !!python/object:os.system order")
                .into_bytes(),
        ),
        (
            "two documents",
            format!("{ORDER}\n---\n{ORDER}").into_bytes(),
        ),
        ("nothing", b"# only this\n".to_vec()),
        ("a list", b"- a\n- b\n".to_vec()),
        ("bytes", b"\xff\xfe\x00".to_vec()),
        ("NUL", ORDER.replace("shop", "sh\0op").into_bytes()),
        (
            "a cycle",
            ORDER
                .replace(
                    "handler_class: Reserve",
                    "handler_class: Reserve\n    depends_on_step: ship",
                )
                .into_bytes(),
        ),
    ];
    for (what, yaml) in hostile {
        let answer = post_yaml(&api, "/v1/templates", "application/yaml", yaml).await?;
        assert_eq!(answer.problem().status, 422, "{what}: {answer:?}");
    }
    assert!(api.client.templates().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn hostile_names_reach_no_queue() -> Result<()> {
    let api = Api::start().await?;
    for namespace in [
        "\"UPPER\"",
        "\"a'b\"",
        "\"a; drop\"",
        "\"../x\"",
        "\"aaaaaaaaaabbbbbbbbbbcccccccccc\"",
    ] {
        let yaml = ORDER.replace(
            "namespace_name: api",
            &format!("namespace_name: {namespace}"),
        );
        let answer = post_yaml(&api, "/v1/templates", "application/yaml", yaml).await?;
        assert_eq!(answer.problem().status, 422, "{namespace}");
    }
    let queues: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pgmq.meta WHERE queue_name LIKE 'steps%'")
            .fetch_one(api.database.pool())
            .await?;
    assert_eq!(queues, 0);
    Ok(())
}
