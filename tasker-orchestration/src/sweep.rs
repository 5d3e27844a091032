//! The timer: enqueues what is due, ends attempts whose lease ran out, and now
//! and then compares counters with messages.
//!
//! Every orchestrator sweeps; the rows decide who gets what. The next due time
//! known is slept towards exactly, so a retry of 50 ms takes 50 ms; what other
//! processes schedule is heard of by a wake, or at the next round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tasker_shared::announce::announce;
use tasker_shared::messaging::Channel;
use tasker_shared::store::{AdvanceConnection, Store, StoreError};
use tasker_shared::supervise::{jittered, within, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio_util::sync::CancellationToken;

/// How often counters are compared with messages. A net for what should never
/// happen needs no more.
const REPAIR_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    store: Store,
    health: Arc<LoopHealth>,
    shutdown: CancellationToken,
) {
    let delays = store.hub().signal(&Channel::Delays);
    let interval = Duration::from_millis(store.engine().sweep_interval_ms);
    let mut connection: Option<AdvanceConnection> = None;
    let mut pause = Pause::default();
    let mut repaired = Instant::now();
    // A round is several statements for each namespace.
    let patience = store.patience() * 6;
    while !shutdown.is_cancelled() {
        let repair = repaired.elapsed() >= REPAIR_INTERVAL;
        let wait = match within(patience, round(&store, &mut connection, repair)).await {
            Ok(next_due) => {
                health.turned();
                pause.reset();
                if repair {
                    repaired = Instant::now();
                }
                next_due.map_or(interval, |due| due.min(interval))
            }
            Err(error) => {
                health.failed(&error);
                connection = None;
                pause.lengthen()
            }
        };
        let wait = if wait == interval { jittered(interval) } else { wait };
        tokio::select! {
            () = delays.wait(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// One round; the time until the next step is due, if any waits.
async fn round(
    store: &Store,
    connection: &mut Option<AdvanceConnection>,
    repair: bool,
) -> Result<Option<Duration>, StoreError> {
    if connection.is_none() {
        *connection = Some(AdvanceConnection::open(store).await?);
    }
    let Some(connection) = connection else {
        return Ok(None);
    };
    let hub = store.hub();
    for namespace in store.namespaces().await? {
        let swept = connection.sweep(&namespace).await?;
        if swept.due > 0 {
            hub.wake(&Channel::Steps(namespace.clone()));
        }
        if swept.lost.applied > 0 {
            tracing::warn!(%namespace, attempts = swept.lost.applied, "leases ran out; their attempts were ended");
            metrics::counter!(telemetry::LEASES_LOST_TOTAL, "namespace" => namespace.to_string())
                .increment(swept.lost.applied as u64);
            announce(hub, &BTreeMap::from([(namespace.clone(), swept.lost)]));
        }
        if repair {
            let repairs = store.repair(&namespace).await?;
            let counts = [("message_missing", repairs.enqueued), ("message_surplus", repairs.deleted)];
            for (kind, n) in counts.into_iter().filter(|(_, n)| *n > 0) {
                tracing::error!(%namespace, kind, n, "repaired; only a hand in the database explains it");
                metrics::counter!(telemetry::SWEEP_REPAIRS_TOTAL, "kind" => kind).increment(n as u64);
                hub.wake(&Channel::Steps(namespace.clone()));
            }
        }
    }
    Ok(store.next_due_ms().await?.map(Duration::from_millis))
}
