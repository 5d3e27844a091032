//! Load is shed, time is limited, panics stay in, foreign pages are refused.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{to_bytes, Body};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::Router;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tasker_shared::wire::Problem;
use tokio::sync::{Notify, Semaphore};

use super::{admit, is_foreign, observe, same_origin, Admission};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn within(router: Router, requests_max: usize, timeout: Duration) -> Router {
    router
        .layer(from_fn_with_state(
            Admission::new(requests_max, timeout),
            admit,
        ))
        .layer(from_fn(same_origin))
        .layer(from_fn_with_state(7_u64, observe))
}

async fn ask(router: &Router, request: Request<Body>) -> Response {
    TowerToHyperService::new(router.clone())
        .call(request)
        .await
        .unwrap()
}

async fn get_of(router: &Router, path: &str) -> Response {
    ask(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn problem(response: Response) -> Problem {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_foreign_page_is_told_from_our_own_and_from_no_browser() {
    assert!(!is_foreign(&headers(&[("host", "127.0.0.1:8080")])));
    assert!(!is_foreign(&headers(&[
        ("host", "127.0.0.1:8080"),
        ("origin", "http://127.0.0.1:8080")
    ])));
    for origin in ["http://evil.example", "null", "http://127.0.0.1:9000", ""] {
        assert!(
            is_foreign(&headers(&[("host", "127.0.0.1:8080"), ("origin", origin)])),
            "{origin}"
        );
    }
    assert!(is_foreign(&headers(&[("origin", "http://a")])));
}

#[tokio::test]
async fn a_foreign_page_may_read_but_not_change() {
    let router = within(
        Router::new().route("/", get(|| async {}).post(|| async {})),
        1,
        Duration::from_secs(5),
    );
    let from_page = |method: &str| {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", "a");
        request
            .header("origin", "http://evil.example")
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        ask(&router, from_page("GET")).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        problem(ask(&router, from_page("POST")).await).await.status,
        403
    );
}

#[tokio::test]
async fn a_panic_is_answered_and_tells_the_caller_nothing() {
    async fn falls() {
        panic!("the secret is 42");
    }
    let router = within(
        Router::new().route("/", post(falls)),
        1,
        Duration::from_secs(5),
    );
    let asked = || Request::post("/").body(Body::empty()).unwrap();
    let problem = problem(ask(&router, asked()).await).await;
    assert_eq!(problem.status, 500);
    assert!(!format!("{problem:?}").contains("secret"));
    // The permit came back: the one place is free again.
    assert_eq!(
        ask(&router, asked()).await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn a_request_too_many_is_shed_with_retry_after() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (inside, left) = (entered.clone(), leave.clone());
    let stay = move || async move {
        inside.add_permits(1);
        left.notified().await;
    };
    let router = within(
        Router::new().route("/", get(stay)),
        1,
        Duration::from_secs(30),
    );
    let busy = router.clone();
    let first = tokio::spawn(async move { get_of(&busy, "/").await.status() });
    entered.acquire().await.unwrap().forget();
    let second = get_of(&router, "/").await;
    assert_eq!(second.headers()["retry-after"], "7");
    assert_eq!(problem(second).await.code, "TSK-4001");
    leave.notify_one();
    assert_eq!(first.await.unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_timed_out_keeps_its_place_until_it_ends() {
    let leave = Arc::new(Notify::new());
    let left = leave.clone();
    let (end, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let stay = move || async move {
        left.notified().await;
        end.send(()).unwrap();
    };
    let router = within(
        Router::new().route("/", get(stay)),
        1,
        Duration::from_secs(1),
    );
    assert_eq!(problem(get_of(&router, "/").await).await.code, "TSK-4002");
    assert_eq!(problem(get_of(&router, "/").await).await.code, "TSK-4001");
    leave.notify_one();
    ended.recv().await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(problem(get_of(&router, "/").await).await.code, "TSK-4002");
}

#[tokio::test]
async fn every_response_forbids_guessing_its_type() {
    let router = within(
        Router::new().route("/", get(|| async { "x" })),
        1,
        Duration::from_secs(5),
    );
    for path in ["/", "/nothing"] {
        let response = get_of(&router, path).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}
