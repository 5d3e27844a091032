//! The end of a long-running command: Ctrl-C, SIGTERM, SIGHUP, or the end of stdin.

use std::io::Read as _;

use tasker_shared::supervise::shutdown_on_signals;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// A token that the first signal cancels; a second one ends the process at once.
pub(crate) fn shutdown() -> Result<CancellationToken, Failure> {
    shutdown_on_signals()
        .map_err(|error| Failure::internal(format!("signals cannot be caught: {error}")))
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
