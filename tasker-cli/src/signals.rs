//! The end of a long-running command: Ctrl-C, SIGTERM, SIGHUP, or the end of stdin.

use std::io::Read as _;
use std::process;

use tokio::signal::unix::{signal, SignalKind};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// 128 + SIGINT, as shells report it.
const INTERRUPTED: i32 = 130;

/// A token that the first signal cancels. A second one ends the process at once:
/// whoever presses Ctrl-C twice does not want to wait for a drain.
pub(crate) fn shutdown() -> Result<CancellationToken, Failure> {
    let failed = |error| Failure::internal(format!("signals cannot be caught: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let token = CancellationToken::new();
    let first = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if first.is_cancelled() {
                process::exit(INTERRUPTED);
            }
            first.cancel();
        }
    });
    Ok(token)
}

/// Cancels `token` when stdin ends. A parent that holds the other end of the pipe
/// stops its child by closing it, and a parent that was killed does so too.
pub(crate) fn stop_with_stdin(token: &CancellationToken) {
    let token = token.clone();
    // A thread of its own: the runtime would wait at its end for a read that it
    // can not cancel.
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let mut stdin = std::io::stdin();
        while matches!(stdin.read(&mut buffer), Ok(read) if read > 0) {}
        token.cancel();
    });
}
