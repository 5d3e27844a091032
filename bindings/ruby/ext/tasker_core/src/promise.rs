//! A future run on the worker's threads while a Ruby thread waits for what it yields.

use std::future::Future;
use std::sync::Arc;

use magnus::{Error, Ruby};
use tokio::runtime::Handle;

use crate::monitor::Monitor;

/// What a future has come to.
enum Fate<T> {
    Open,
    Kept(T),
    /// Dropped before its end: the runtime is gone, or the future panicked.
    Broken,
}

/// Settles the fate even if the future never ends.
struct Settle<T: Send>(Arc<Monitor<Fate<T>>>);

impl<T: Send> Drop for Settle<T> {
    fn drop(&mut self) {
        self.0.change(|fate| {
            if matches!(fate, Fate::Open) {
                *fate = Fate::Broken;
            }
        });
    }
}

/// Runs `future` and waits for it without Ruby's lock; `None` if the runtime has ended.
/// An interrupt of the Ruby thread drops the future.
///
/// # Errors
/// What the interrupt raises.
pub(crate) fn wait_for<T, F>(ruby: &Ruby, runtime: &Handle, future: F) -> Result<Option<T>, Error>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let fate = Arc::new(Monitor::new(Fate::Open));
    let settle = Settle(fate.clone());
    let task = runtime.spawn(async move {
        let kept = future.await;
        settle.0.change(|fate| *fate = Fate::Kept(kept));
    });
    let waited = fate.wait(ruby, None, |fate| {
        match std::mem::replace(fate, Fate::Open) {
            Fate::Open => None,
            Fate::Kept(kept) => Some(Some(kept)),
            Fate::Broken => Some(None),
        }
    });
    if waited.is_err() {
        task.abort();
    }
    Ok(waited?.flatten())
}
