//! One trace from the request to the handler, across processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use tasker_testkit::eventually;

use crate::site::{complete, submit, Service, Site, PATIENCE};
use crate::templates::{register, template};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();

type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

/// A collector that takes everything; it ends with the test process.
fn collector() -> (String, Bodies) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Bodies::default();
    let kept = bodies.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            thread::spawn(move || take(&stream, &kept));
        }
    });
    (endpoint, bodies)
}

/// Takes the exports of one connection.
fn take(mut stream: &TcpStream, kept: &Bodies) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            let header = line.trim().to_ascii_lowercase();
            length = header
                .strip_prefix("content-length:")
                .map_or(length, |n| n.trim().parse().unwrap());
            line.clear();
        }
        if line.is_empty() {
            return None;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        kept.lock().unwrap().push(body);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .ok()?;
    }
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

async fn traced_task(site: &Site, orchestrator: &Service) -> i64 {
    register(
        &orchestrator.client,
        &template("order", &["name: ship, handler_class: Bench::Noop"]),
    )
    .await;
    let client = orchestrator.client.clone().with_traceparent(TRACEPARENT);
    let task = submit(&client, "it/order", json!({})).await;
    complete(&orchestrator.client, &[task]).await;
    site.assert_sound().await;
    task
}

#[tokio::test]
async fn without_an_exporter_the_trace_of_the_request_is_handed_on_as_it_came() {
    let site = Site::new().await;
    let orchestrator = site
        .orchestrator_with(&["telemetry.log_level=warn,tasker_orchestration=info"])
        .await;
    let _worker = site.worker().await;
    let task = traced_task(&site, &orchestrator).await;
    let stored: String =
        sqlx::query_scalar("SELECT traceparent FROM tasker.task_runs WHERE task_id = $1")
            .bind(task)
            .fetch_one(site.pool())
            .await
            .unwrap();
    assert_eq!(stored, TRACEPARENT);
}

#[tokio::test]
async fn request_and_handler_are_spans_of_one_trace_though_they_ran_in_two_processes() {
    let site = Site::new().await;
    let (endpoint, bodies) = collector();
    let start = |program: &'static str, line: &'static str| {
        let builder = site.command(program, &[]);
        let builder = builder
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100");
        Service::start(builder, line)
    };
    let orchestrator = start("tasker-orchestrator", "orchestration started").await;
    let _worker = start("tasker-worker", "worker started").await;
    let task = traced_task(&site, &orchestrator).await;
    let stored: String =
        sqlx::query_scalar("SELECT traceparent FROM tasker.task_runs WHERE task_id = $1")
            .bind(task)
            .fetch_one(site.pool())
            .await
            .unwrap();
    // The span of the request, which is the parent of the handler's.
    assert_eq!(stored[..36], TRACEPARENT[..36]);
    assert_ne!(stored, TRACEPARENT);
    let parent = u64::from_str_radix(&stored[36..52], 16)
        .unwrap()
        .to_be_bytes();
    for (service, span) in [
        ("tasker-orchestrator", "request"),
        ("tasker-worker", "step"),
    ] {
        let parts = [service.as_bytes(), span.as_bytes(), &TRACE_ID, &parent];
        let probe = || {
            let seen = bodies
                .lock()
                .unwrap()
                .iter()
                .any(|body| parts.iter().all(|part| holds(body, part)));
            async move { seen.then_some(()) }
        };
        eventually(
            &format!("a span {span} of {service} in the trace"),
            PATIENCE,
            probe,
        )
        .await;
    }
}
