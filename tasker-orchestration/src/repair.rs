//! The net under the engine, once a minute: compares counters with messages, and ends
//! steps whose retry limit was lowered.
//!
//! A loop of its own: it reads all queues and tasks, however long that takes, and no
//! retry may wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tasker_shared::domain::Namespace;
use tasker_shared::messaging::Channel;
use tasker_shared::store::operate::{fail_exhausted, OperateError};
use tasker_shared::store::{Store, StoreError};
use tasker_shared::supervise::{jittered, within, LoopHealth};
use tasker_shared::telemetry;
use tokio_util::sync::CancellationToken;

/// A net for what should never happen needs no more.
const INTERVAL: Duration = Duration::from_secs(60);

/// After a turn that took long, this many times as long: a fiftieth of the time at most.
const REST: u32 = 50;

pub(crate) async fn run(store: Store, health: Arc<LoopHealth>, shutdown: CancellationToken) {
    // A turn is several statements where there is something to mend.
    let patience = store.patience() * 6;
    let mut known: Option<Vec<Namespace>> = None;
    loop {
        let since = Instant::now();
        match within(patience, turn(&store, known.as_deref())).await {
            Ok(found) => {
                health.turned();
                if known.as_ref().is_some_and(|known| *known != found) {
                    // Their templates came without a wake.
                    store.hub().raise(&Channel::Templates);
                }
                known = Some(found);
            }
            Err(error) => health.failed(&error),
        }
        let rest = jittered(INTERVAL).max(since.elapsed() * REST);
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Mends what does not add up, and returns the namespaces there are.
async fn turn(store: &Store, known: Option<&[Namespace]>) -> Result<Vec<Namespace>, StoreError> {
    let survey = match known {
        Some(known) => store.survey(known).await?,
        None => store.survey(&store.namespaces().await?).await?,
    };
    for namespace in survey.exhausted {
        match fail_exhausted(store, &namespace).await {
            Ok(steps) => tracing::warn!(%namespace, steps, "failed: their retry limit was lowered"),
            Err(OperateError::Store(error)) => return Err(error),
            // Deleted, or handed to the other engine, in this very moment.
            Err(error) => tracing::debug!(%error, "a step with no attempt left is left alone"),
        }
    }
    for namespace in survey.suspect {
        let repairs = store.repair(&namespace).await?;
        let counts = [
            ("message_missing", repairs.enqueued),
            ("message_surplus", repairs.deleted),
        ];
        for (kind, n) in counts.into_iter().filter(|(_, n)| *n > 0) {
            tracing::error!(%namespace, kind, n, "repaired; only a hand in the database explains it");
            metrics::counter!(telemetry::SWEEP_REPAIRS_TOTAL, "kind" => kind).increment(n as u64);
            store.hub().wake(&Channel::Steps(namespace.clone()));
        }
    }
    Ok(survey.known)
}
