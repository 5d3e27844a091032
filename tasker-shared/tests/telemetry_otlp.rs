//! Spans really leave over OTLP, also from inside an async runtime.
//!
//! A test binary of its own with a single test: the subscriber is installed once
//! per process, and whether it exports is decided by the variables at that
//! moment, so it cannot share a process with tests that want no export.

#![allow(clippy::unwrap_used)] // the collector is part of the test

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::Duration;

use tasker_shared::config::{Config, LogFormat};
use tasker_shared::telemetry::{adopt, current, init, is_exporting};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What the receiver saw: the request line and the body.
type Request = (String, Vec<u8>);

/// A collector that accepts everything; returns its address.
fn collector() -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &seen);
        }
    });
    (address, requests)
}

fn answer(mut stream: TcpStream, seen: &Sender<Request>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    let _ = seen.send((first, body));
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_span_with_its_adopted_parent_reaches_the_collector_when_the_guard_drops() {
    let (address, requests) = collector();
    std::env::set_var("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    let mut options = Config::default().telemetry;
    options.log_format = LogFormat::Json;
    // Spans are exported whatever the log level.
    "off".clone_into(&mut options.log_level);
    options.otlp_flush_timeout_ms = 30_000;

    let guard = init(&options, "test").unwrap();
    assert!(guard.is_exporting() && is_exporting());
    assert!(!init(&options, "test").unwrap().is_exporting());

    let span = tracing::info_span!("charge_card_span");
    adopt(&span, TRACEPARENT);
    span.in_scope(|| {
        let outgoing = current().unwrap();
        assert_eq!(outgoing.trace_id(), &TRACEPARENT[3..35]);
        assert_ne!(
            outgoing.as_str(),
            TRACEPARENT,
            "the span has an id of its own"
        );
    });
    drop(span);
    drop(guard);

    let (first, body) = requests.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(first.starts_with("POST /v1/traces "), "{first}");
    let trace_id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    let parent_id = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
    assert!(holds(&body, b"charge_card_span"));
    assert!(holds(&body, b"tasker-test"));
    assert!(holds(&body, &trace_id));
    assert!(holds(&body, &parent_id));
}
