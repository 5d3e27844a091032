//! Waiting for something to become true, with a deadline and without guessing how
//! long it takes.

use std::future::Future;
use std::time::Duration;

use anyhow::{bail, Result};
use tokio::time::{sleep, Instant};

const POLL: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it gives a value.
///
/// # Panics
/// When it gave none within `deadline`; the message names `what` was waited for.
pub async fn eventually<T, F, Fut>(what: &str, deadline: Duration, probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    match within(what, deadline, probe).await {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// As [`eventually`], with an error in place of the panic.
pub async fn within<T, F, Fut>(what: &str, deadline: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = probe().await {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("not within {deadline:?}: {what}");
        }
        sleep(POLL).await;
    }
}
