//! What the client makes of an answer, and of none.

use serde_json::json;
use tasker_client::{Client, ClientError, Include};
use tasker_shared::wire::{OperatorRequest, TaskFilter};
use tokio::net::TcpListener;

use crate::server::Server;

fn problem(status: u16) -> String {
    json!({
        "type": "/problems/TSK-1004", "title": "t", "status": status, "detail": "d", "code": "TSK-1004", "new": 1,
    })
    .to_string()
}

async fn refused(status: u16, headers: &'static str, body: impl Into<String>) -> ClientError {
    let server = Server::start(&[(status, headers, body.into())]).await;
    Client::new(&server.base)
        .unwrap()
        .graph(1)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_problem_document_is_an_error_with_all_it_says() {
    let error = refused(404, "", problem(404)).await;
    assert!(
        matches!(&error, ClientError::Problem { problem, retry_after: None } if problem.code == "TSK-1004")
    );
    assert_eq!((error.status(), error.is_transient()), (Some(404), false));
    assert_eq!(error.to_string(), "t (TSK-1004): d");
    let error = refused(503, "retry-after: 7\r\n", problem(503)).await;
    assert!(
        matches!(&error, ClientError::Problem { retry_after: Some(pause), .. } if pause.as_secs() == 7)
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn what_the_service_would_never_answer_is_a_protocol_error() {
    for (status, body, transient) in [
        (502, "<html>bad gateway", true),
        (200, "[1,", false),
        (200, "{}", false),
        (302, "", false),
    ] {
        let error = refused(status, "location: http://elsewhere.invalid/\r\n", body).await;
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
        assert_eq!(
            (error.status(), error.is_transient()),
            (Some(status), transient),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&base).unwrap().live().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Unreachable { url, .. } if url.starts_with(&base)),
        "{error:?}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn https_is_spoken_to_https_addresses() {
    let server = Server::start(&[(200, "", String::new())]).await;
    let base = server.base.replace("http://", "https://");
    let error = Client::new(&base).unwrap().live().await.unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_unusable_address_is_refused_before_anything_is_sent() {
    for base in [
        "",
        "localhost:8080",
        "ftp://localhost",
        "http://",
        "mailto:a@b",
    ] {
        let error = Client::new(base).unwrap_err();
        assert!(matches!(error, ClientError::BadUrl { .. }), "{base}");
    }
}

#[tokio::test]
async fn not_ready_is_an_answer() {
    let body =
        json!({"ready": false, "checks": [{"name": "database", "ok": false, "reason": "away"}]});
    let server = Server::start(&[(503, "", body.to_string())]).await;
    assert!(
        !Client::new(&server.base)
            .unwrap()
            .ready()
            .await
            .unwrap()
            .ready
    );
}

#[tokio::test]
async fn names_and_filters_are_escaped_and_a_prefix_is_kept() {
    let server = Server::start(&[(404, "", problem(404))]).await;
    let client = Client::new(&format!("{}/tasker/?x=1", server.base))
        .unwrap()
        .with_traceparent("00-abc");
    let _ = client.template("api", "shop/or der?", "1.0.0").await;
    let _ = client
        .task(
            5,
            Include {
                steps: true,
                transitions: true,
            },
        )
        .await;
    let _ = client
        .tasks(&TaskFilter {
            tag: Some("a&b=c".to_owned()),
            ..TaskFilter::default()
        })
        .await;
    let _ = client.cancel_step(5, 6, &OperatorRequest::default()).await;
    let heads = server.heads();
    let lines: Vec<&str> = heads
        .iter()
        .filter_map(|head| head.lines().next())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /tasker/v1/templates/api/shop%2For%20der%3F/1.0.0 HTTP/1.1",
            "GET /tasker/v1/tasks/5?include=steps%2Ctransitions HTTP/1.1",
            "GET /tasker/v1/tasks?tag=a%26b%3Dc HTTP/1.1",
            "POST /tasker/v1/tasks/5/steps/6/cancel HTTP/1.1",
        ]
    );
    assert!(heads
        .iter()
        .all(|head| head.contains("traceparent: 00-abc\r\n")));
}
