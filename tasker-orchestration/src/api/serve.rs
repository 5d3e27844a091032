//! Serves a router over HTTP/1.1 within limits on connections.
//!
//! `axum::serve` bounds neither the number of connections nor the time a client
//! takes over its headers, so the accept loop is our own. At the cap, further
//! connections wait in the kernel's backlog: a held connection that sends
//! nothing is closed after the header timeout and makes room, so the health
//! routes answer, late at worst. A client that never reads its answer is cut
//! off by the age limit.
//!
//! Shutdown: no more accepts, idle connections are closed, requests in flight
//! finish until the deadline, then everything is dropped.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The smallest read buffer hyper accepts is 8 KiB; a request head that does not
/// fit is answered 431.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// Pause after a failed accept, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServeLimits {
    pub(crate) connections_max: usize,
    /// For the head of a request, and for an idle connection.
    pub(crate) header_timeout: Duration,
    /// A connection older than this is closed after the request in hand.
    pub(crate) connection_age_max: Duration,
    /// What requests in flight get to finish, at shutdown and at the age limit.
    pub(crate) drain_timeout: Duration,
}

/// An address the service must not be bound to.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "{address} is reachable from other machines and the API has no authentication: bind a loopback \
         address, or set orchestration.allow_public = true behind a proxy that authenticates"
    )]
    Public { address: SocketAddr },
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
}

/// Listens on `address`, which must be a loopback address unless the operator
/// has said otherwise.
pub(crate) async fn bind(
    address: SocketAddr,
    allow_public: bool,
) -> Result<TcpListener, BindError> {
    if !allow_public && !is_loopback(address.ip()) {
        return Err(BindError::Public { address });
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError::Listen { address, source })
}

fn is_loopback(ip: IpAddr) -> bool {
    // An IPv4 address in IPv6 clothes is judged as what it is.
    ip.to_canonical().is_loopback()
}

/// Serves until `shutdown`, then drains. Cancel safe only by `shutdown`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let connections = TaskTracker::new();
    let abandon = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            continue;
        };
        let connection = connection(stream, router.clone(), limits, shutdown.clone());
        let abandon = abandon.clone();
        connections.spawn(async move {
            tokio::select! {
                () = connection => {}
                () = abandon.cancelled() => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain_timeout, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests still ran when the drain time was over"
        );
        abandon.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // A failure here costs latency only.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Runs one connection to its end, its age limit or the shutdown.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // Broken connections and unreadable heads are the client's affair.
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(limits.connection_age_max) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.drain_timeout, connection).await;
}

#[cfg(test)]
mod tests;
