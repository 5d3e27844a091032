//! Connections that are slow, old or too many, and the drain.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::Router;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{bind, serve, BindError, ServeLimits};

const LONG: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);

const LIMITS: ServeLimits = ServeLimits {
    connections_max: 8,
    header_timeout: LONG,
    connection_age_max: LONG,
    drain_timeout: LONG,
};

struct Server {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
    entered: Arc<Semaphore>,
    leave: Arc<Notify>,
}

impl Server {
    /// `/` answers at once; `/stay` reports that it was entered, then waits.
    async fn start(limits: ServeLimits) -> Self {
        let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let (inside, left) = (entered.clone(), leave.clone());
        let stay = move || async move {
            inside.add_permits(1);
            left.notified().await;
            "stayed"
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/stay", get(stay));
        let listener = bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Self {
            address,
            shutdown,
            served,
            entered,
            leave,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and reads until the server closes the connection.
    async fn ask(&self, path: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    // A reset is an end as well.
    let _ = read.expect("the server closes the connection");
    text
}

#[tokio::test]
async fn a_public_address_needs_the_operators_word() {
    for address in ["0.0.0.0:0", "[::]:0", "[::ffff:192.0.2.1]:0", "192.0.2.1:0"] {
        let refused = bind(address.parse().unwrap(), false).await.unwrap_err();
        assert!(matches!(refused, BindError::Public { .. }), "{address}");
    }
    assert!(bind("0.0.0.0:0".parse().unwrap(), true).await.is_ok());
}

#[tokio::test]
async fn a_connection_that_sends_no_request_is_closed() {
    let server = Server::start(ServeLimits {
        header_timeout: Duration::from_millis(50),
        ..LIMITS
    })
    .await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    read_to_end(&mut silent).await;
    read_to_end(&mut slow).await;
}

#[tokio::test]
async fn idle_connections_at_the_cap_give_way() {
    let limits = ServeLimits {
        connections_max: 3,
        header_timeout: Duration::from_millis(100),
        ..LIMITS
    };
    let server = Server::start(limits).await;
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(server.connect().await);
    }
    let answer = timeout(PATIENCE, server.ask("/")).await.unwrap();
    assert!(answer.ends_with("here"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = Server::start(LIMITS).await;
    let answer = server.ask(&format!("/?{}", "x".repeat(40_000))).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    assert!(server.ask("/").await.ends_with("here"));
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_finish_and_takes_no_more() {
    let server = Server::start(LIMITS).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /stay HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    server.entered.acquire().await.unwrap().forget();
    server.shutdown.cancel();
    // The listener is closed by the time a connection is refused.
    timeout(PATIENCE, async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(!server.served.is_finished());
    server.leave.notify_one();
    assert!(read_to_end(&mut stream).await.ends_with("stayed"));
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_ends_by_its_deadline_whatever_runs() {
    let server = Server::start(ServeLimits {
        drain_timeout: Duration::from_millis(50),
        ..LIMITS
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /stay HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    server.entered.acquire().await.unwrap().forget();
    server.shutdown.cancel();
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn an_old_connection_is_closed_after_the_request_in_hand() {
    let server = Server::start(ServeLimits {
        connection_age_max: Duration::from_millis(50),
        ..LIMITS
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("here"));
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let refused = bind(address, false).await.unwrap_err();
    assert!(
        refused.to_string().contains(&address.to_string()),
        "{refused}"
    );
}
