//! The poll: one look at the queues of all namespaces whose fetcher waits for a
//! wake. It makes up for wakes that were lost, and costs the same however many
//! namespaces there are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_shared::domain::Namespace;
use tasker_shared::messaging::Channel;
use tasker_shared::supervise::{within, LoopHealth};

use crate::service::Shared;

/// Namespaces whose fetcher waits for a wake. One that waits for room is not here:
/// it needs no poll to know that there is work.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<BTreeSet<Namespace>>);

impl Waiting {
    /// Says that the fetcher of `namespace` waits, until the answer is dropped.
    pub(crate) fn enter<'a>(&'a self, namespace: &'a Namespace) -> Stay<'a> {
        self.lock().insert(namespace.clone());
        Stay {
            waiting: self,
            namespace,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Namespace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetcher waits as long as it holds this.
pub(crate) struct Stay<'a> {
    waiting: &'a Waiting,
    namespace: &'a Namespace,
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(self.namespace);
    }
}

/// Looks and wakes fetchers until the worker drains.
pub(crate) async fn run(shared: Arc<Shared>, health: Arc<LoopHealth>) {
    let hub = shared.store.hub();
    let missed = hub.missed();
    let interval = Duration::from_millis(shared.store.engine().poll_interval_ms);
    loop {
        // What may have been missed, fetchers hear of themselves. It is only the
        // interval that is another one then.
        tokio::select! {
            lost = missed.wait(hub.poll_after(interval)) => if lost { continue },
            () = shared.drain.cancelled() => return,
        }
        let waiting: Vec<Namespace> = shared.waiting.lock().iter().cloned().collect();
        if waiting.is_empty() {
            continue;
        }
        let found = match within(shared.store.patience(), shared.store.claimable(&waiting)).await {
            Ok(found) => {
                health.turned();
                found
            }
            Err(error) => {
                health.failed(&error);
                // Fetchers have connections of their own: let them find out for
                // themselves.
                waiting
            }
        };
        for namespace in found {
            hub.raise(&Channel::Steps(namespace));
        }
    }
}
