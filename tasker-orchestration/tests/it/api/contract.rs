//! The `OpenAPI` document is the checklist: every operation in it is asked with
//! garbage of every sort and must answer with a problem document.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;

use super::harness::{Answer, Api};

struct Operation {
    method: Method,
    path: String,
    definition: Value,
}

impl Operation {
    fn body(&self) -> Option<bool> {
        let body = self.definition.get("requestBody")?;
        Some(body["required"].as_bool().unwrap_or(false))
    }

    /// The path with every parameter replaced.
    fn path_with(&self, text: &str) -> String {
        let parts = self
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { text } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    fn has_parameters(&self) -> bool {
        self.path.contains('{')
    }
}

async fn operations(api: &Api) -> Result<Vec<Operation>> {
    let document = api.get("/openapi.json").await?.json();
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, definition)| Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                definition: definition.clone(),
            })
    });
    Ok(all.collect())
}

async fn ask(
    api: &Api,
    method: &Method,
    path: &str,
    kind: Option<&str>,
    body: &[u8],
) -> Result<Answer> {
    let mut call = api
        .http
        .request(method.clone(), format!("{}{path}", api.base));
    if let Some(kind) = kind {
        call = call.header("content-type", kind);
    }
    Answer::of(call.body(body.to_vec())).await
}

#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
    answer.problem();
}

#[tokio::test]
async fn every_operation_is_documented() -> Result<()> {
    let api = Api::start().await?;
    let operations = operations(&api).await?;
    assert!(operations.len() >= 23, "{}", operations.len());
    for operation in &operations {
        let name = format!("{} {}", operation.method, operation.path);
        let text = |key: &str| operation.definition[key].as_str().unwrap_or("").to_owned();
        assert!(!text("summary").is_empty(), "{name} has no summary");
        assert!(
            operation.definition["tags"][0].is_string(),
            "{name} has no tag"
        );
        let responses = operation.definition["responses"].as_object().unwrap();
        for status in ["400", "500", "503", "504"] {
            assert!(
                responses.contains_key(status),
                "{name} says nothing of {status}"
            );
        }
        for (status, response) in responses
            .iter()
            .filter(|(status, _)| status.as_str() >= "400")
        {
            assert!(
                response.get("content").is_some(),
                "{name}: {status} has no content"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_operation_refuses_unknown_query_parameters() -> Result<()> {
    let api = Api::start().await?;
    for operation in operations(&api).await? {
        for query in ["bogus=1", "limit%5B%5D=1", "%00=1", "a%FF=%FE", "'%22;--"] {
            let path = format!("{}?{query}", operation.path_with("1"));
            let answer = ask(
                &api,
                &operation.method,
                &path,
                Some("application/json"),
                b"{}",
            )
            .await?;
            refused(&answer, &format!("{} {path}", operation.method));
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_operation_refuses_hostile_path_parameters() -> Result<()> {
    let api = Api::start().await?;
    let hostile = [
        "0",
        "-1",
        "+1",
        "1.5",
        "abc",
        "9223372036854775808",
        "18446744073709551616",
        "%00",
        "%FF",
        "%20",
        "1;drop",
        "1'",
        "%22",
        "..%2F..%2Fetc",
        "%E2%80%AE",
        "99999999999999999999999999",
        "1e3",
        "0x1",
    ];
    for operation in operations(&api)
        .await?
        .iter()
        .filter(|operation| operation.has_parameters())
    {
        for text in hostile {
            let path = operation.path_with(text);
            let answer = ask(
                &api,
                &operation.method,
                &path,
                Some("application/json"),
                b"{}",
            )
            .await?;
            refused(&answer, &format!("{} {path}", operation.method));
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_operation_with_a_body_refuses_garbage() -> Result<()> {
    let api = Api::start().await?;
    let deep = "[".repeat(100_000);
    let garbage: [&[u8]; 16] = [
        b"{",
        b"nul",
        b"[]",
        b"null",
        b"\"x\"",
        b"7",
        b"{\"bogus\": 1}",
        b"{} trailing",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{\"a\": \"\\u0000\"}",
        b"{\"a\": 1e400}",
        b"{\"a\": 18446744073709551616}",
        b"{\"a\": \"\\ud800\"}",
        b"{\"reason\": {}, \"reason\": 1}",
        deep.as_bytes(),
    ];
    for operation in operations(&api).await? {
        let Some(required) = operation.body() else {
            continue;
        };
        let path = operation.path_with("1");
        let name = format!("{} {path}", operation.method);
        for body in garbage {
            let answer = ask(
                &api,
                &operation.method,
                &path,
                Some("application/json"),
                body,
            )
            .await?;
            refused(
                &answer,
                &format!(
                    "{name} {}",
                    String::from_utf8_lossy(&body[..body.len().min(40)])
                ),
            );
        }
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("\u{20}"),
        ] {
            let answer = ask(&api, &operation.method, &path, kind, b"{\"reason\": \"x\"}").await?;
            assert_eq!(answer.problem().status, 415, "{name} {kind:?}");
        }
        if required {
            let answer = ask(
                &api,
                &operation.method,
                &path,
                Some("application/json"),
                b"",
            )
            .await?;
            assert_eq!(answer.problem().status, 400, "{name} without a body");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_path_refuses_other_methods() -> Result<()> {
    let api = Api::start().await?;
    for operation in operations(&api).await? {
        let path = operation.path_with("1");
        for method in [Method::DELETE, Method::PUT, Method::PATCH, "BREW".parse()?] {
            let answer = ask(&api, &method, &path, None, b"").await?;
            assert_eq!(answer.problem().status, 405, "{method} {path}");
            assert!(
                answer.header("allow").contains(operation.method.as_str()),
                "{method} {path}: {answer:?}"
            );
        }
    }
    for path in [
        "/nothing",
        "/v1",
        "/v1/tasks/",
        "/v1/tasks/1/2",
        "//",
        "/v1/../etc/passwd",
    ] {
        assert_eq!(api.get(path).await?.problem().status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_problem_is_described() -> Result<()> {
    let api = Api::start().await?;
    let kinds = api.get("/problems").await?.json();
    for kind in kinds["problems"].as_array().unwrap() {
        let path = format!("/problems/{}", kind["code"].as_str().unwrap());
        assert_eq!(&api.get(&path).await?.json(), kind);
    }
    Ok(())
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_elsewhere() -> Result<()> {
    let api = Api::start().await?;
    let root = api.get("/").await?;
    assert!(root.header("location").starts_with("/docs"), "{root:?}");
    let page = api.get("/docs/").await?;
    assert_eq!(page.status, 200);
    assert!(
        !page.text.contains("http://") && !page.text.contains("https://"),
        "{page:?}"
    );
    let script = api.get("/docs/swagger-ui-bundle.js").await?;
    assert!(script.status == 200 && script.text.len() > 100_000);
    Ok(())
}

#[tokio::test]
async fn every_response_carries_the_protective_headers() -> Result<()> {
    let api = Api::start().await?;
    for path in [
        "/health/live",
        "/health/ready",
        "/metrics",
        "/docs/",
        "/openapi.json",
        "/v1/tasks",
        "/nothing",
    ] {
        assert_eq!(
            api.get(path).await?.header("x-content-type-options"),
            "nosniff",
            "{path}"
        );
    }
    Ok(())
}
