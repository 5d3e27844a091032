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
use tasker_shared::domain::Namespace;
use tasker_shared::messaging::Channel;
use tasker_shared::store::operate::{fail_exhausted, OperateError};
use tasker_shared::store::{AdvanceConnection, Store, StoreError};
use tasker_shared::supervise::{jittered, within, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio_util::sync::CancellationToken;

/// How often counters are compared with messages. A net for what should never
/// happen needs no more.
const REPAIR_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) async fn run(store: Store, health: Arc<LoopHealth>, shutdown: CancellationToken) {
    let delays = store.hub().signal(&Channel::Delays);
    let templates = store.hub().signal(&Channel::Templates);
    let interval = Duration::from_millis(store.engine().sweep_interval_ms);
    // A round is several statements for each namespace.
    let patience = store.patience() * 6;
    let mut state = State::default();
    let mut pause = Pause::default();
    while !shutdown.is_cancelled() {
        let wait = match within(patience, state.turn(&store)).await {
            Ok(next_due) => {
                health.turned();
                pause.reset();
                next_due.map_or(jittered(interval), |due| due.min(interval))
            }
            Err(error) => {
                health.failed(&error);
                state.connection = None;
                pause.lengthen()
            }
        };
        tokio::select! {
            _ = delays.wait(wait) => {}
            () = templates.raised() => state.looked = None,
            () = shutdown.cancelled() => return,
        }
    }
}

/// What the timer keeps between its turns.
#[derive(Default)]
struct State {
    connection: Option<AdvanceConnection>,
    namespaces: Vec<Namespace>,
    /// When the namespaces were last read and counters compared.
    looked: Option<Instant>,
}

impl State {
    async fn turn(&mut self, store: &Store) -> Result<Option<Duration>, StoreError> {
        if self.looked.is_none_or(|at| at.elapsed() >= REPAIR_INTERVAL) {
            self.namespaces = store.namespaces().await?;
            repair(store, &self.namespaces).await?;
            self.looked = Some(Instant::now());
        }
        round(store, &self.namespaces, &mut self.connection).await
    }
}

/// One round; the time until the next step is due, if any waits.
async fn round(
    store: &Store,
    namespaces: &[Namespace],
    connection: &mut Option<AdvanceConnection>,
) -> Result<Option<Duration>, StoreError> {
    let glance = store.glance(namespaces).await?;
    if glance.busy.is_empty() {
        return Ok(glance.next_due);
    }
    if connection.is_none() {
        *connection = Some(AdvanceConnection::open(store).await?);
    }
    let Some(connection) = connection else {
        return Ok(None);
    };
    let hub = store.hub();
    let mut moved = 0;
    for namespace in glance.busy {
        let swept = connection.sweep(&namespace).await?;
        moved += swept.due + swept.lost.applied;
        if swept.due > 0 {
            hub.wake(&Channel::Steps(namespace.clone()));
        }
        if swept.lost.applied > 0 {
            tracing::warn!(%namespace, attempts = swept.lost.applied, "leases ran out; their attempts were ended");
            metrics::counter!(telemetry::LEASES_LOST_TOTAL, "namespace" => namespace.to_string())
                .increment(swept.lost.applied as u64);
            announce(hub, &BTreeMap::from([(namespace, swept.lost)]));
        }
    }
    // What was due has moved: another look at once, for what is due next. Where
    // nothing moved (another orchestrator was faster, or a message is of no use
    // and waits for the repair) looking again at once would be spinning.
    Ok(if moved > 0 {
        Some(Duration::ZERO)
    } else {
        glance.next_due.filter(|due| !due.is_zero())
    })
}

async fn repair(store: &Store, namespaces: &[Namespace]) -> Result<(), StoreError> {
    for namespace in namespaces {
        match fail_exhausted(store, namespace).await {
            Ok(0) => {}
            Ok(steps) => tracing::warn!(%namespace, steps, "failed: their retry limit was lowered"),
            Err(OperateError::Store(error)) => return Err(error),
            // Deleted, or handed to the other engine, in this very moment.
            Err(error) => tracing::debug!(%error, "a step with no attempt left is left alone"),
        }
        let repairs = store.repair(namespace).await?;
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
    Ok(())
}
