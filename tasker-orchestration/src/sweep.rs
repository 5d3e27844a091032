//! The timer: enqueues what is due, ends attempts whose lease ran out, and wakes the
//! consumers of results when no wake of others has.
//!
//! Every orchestrator has one; the rows decide who gets what. It sleeps until the
//! next due time or the next end of a lease: a retry of 50 ms takes 50 ms, and a
//! step of a dead worker is found when its lease ends. Between two looks it need
//! not know of more: a delay that another process makes comes with a wake, and a
//! lease that begins cannot end before a lease from now, when it looks anyway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tasker_shared::announce::announce;
use tasker_shared::domain::Namespace;
use tasker_shared::messaging::Channel;
use tasker_shared::store::{AdvanceConnection, Delays, Look, Reach, Store, StoreError};
use tasker_shared::supervise::{jittered, within, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio_util::sync::CancellationToken;

/// How often queues are read to their end. What claims are far from has time.
const WHOLE_INTERVAL: Duration = Duration::from_secs(60);

/// Looks rest this many times as long as they took, so that they never take more than a
/// twentieth of the time. They take long where very many steps wait, or where something
/// keeps vacuum from the front of a queue.
const REST: u32 = 20;

/// How long after its end a lease is looked at: sleeping may be a little short.
const LATE: Duration = Duration::from_millis(10);

/// Most attempts that one statement ends as lost.
const LOST_BATCH: usize = 500;

pub(crate) async fn run(store: Store, health: Arc<LoopHealth>, shutdown: CancellationToken) {
    let hub = store.hub();
    let delays = hub.signal(&Channel::Delays);
    let templates = hub.signal(&Channel::Templates);
    let missed = hub.missed();
    // A turn is several statements for each namespace.
    let patience = store.patience() * 6;
    let mut timer = Timer::new(store.clone());
    let mut pause = Pause::default();
    while !shutdown.is_cancelled() {
        let wait = match within(patience, timer.turn()).await {
            Ok(wait) => {
                health.turned();
                pause.reset();
                wait
            }
            Err(error) => {
                health.failed(&error);
                timer.connection = None;
                timer.look_at = Instant::now();
                // Nobody looks for the consumers now: they try for themselves.
                hub.raise(&Channel::Results);
                pause.lengthen()
            }
        };
        tokio::select! {
            _ = delays.wait(wait) => {}
            () = templates.raised() => timer.namespaces = None,
            () = missed.raised() => timer.look_at = Instant::now(),
            () = shutdown.cancelled() => return,
        }
    }
}

/// What the timer keeps between its turns.
struct Timer {
    store: Store,
    connection: Option<AdvanceConnection>,
    /// As last read; none if there may be new ones.
    namespaces: Option<Vec<Namespace>>,
    /// When to look at everything again; before it, only delays can be due.
    look_at: Instant,
    /// When to read queues to their end again.
    whole_at: Instant,
}

impl Timer {
    fn new(store: Store) -> Self {
        let now = Instant::now();
        Self {
            store,
            connection: None,
            namespaces: None,
            look_at: now,
            whole_at: now,
        }
    }

    /// Does what is to be done now; how long to sleep then.
    async fn turn(&mut self) -> Result<Duration, StoreError> {
        if self.namespaces.is_none() {
            self.namespaces = Some(self.store.namespaces().await?);
            self.look_at = Instant::now();
        }
        let connection = match &mut self.connection {
            Some(open) => open,
            none => none.insert(AdvanceConnection::open(&self.store).await?),
        };
        let now = Instant::now();
        let next_due = if self.look_at <= now {
            let namespaces = self.namespaces.as_deref().unwrap_or_default();
            let reach = if self.whole_at <= now {
                // First of all: one that fails is not made again at once.
                self.whole_at = now + jittered(WHOLE_INTERVAL);
                Reach::Whole
            } else {
                Reach::Front
            };
            let look = connection.look(namespaces, reach);
            let look = within(self.store.patience(), look).await?;
            let rested = Instant::now() + now.elapsed() * REST;
            self.look_at = Instant::now() + until_next(&self.store, &look);
            match reach {
                Reach::Front => self.look_at = self.look_at.max(rested),
                Reach::Whole => self.whole_at = self.whole_at.max(rested),
            }
            attend(&self.store, connection, look).await?
        } else {
            let delays = within(self.store.patience(), connection.delays()).await?;
            enqueue(&self.store, connection, delays).await?
        };
        let until_look = self.look_at.saturating_duration_since(Instant::now());
        Ok(next_due.map_or(until_look, |due| due.min(until_look)))
    }
}

/// How long after this look the next one is needed.
fn until_next(store: &Store, look: &Look) -> Duration {
    let engine = store.engine();
    let poll = Duration::from_millis(engine.poll_interval_ms);
    let lease = Duration::from_millis(engine.lease_ms);
    let mut wait = store.hub().poll_after(poll).min(lease);
    // Leases that were not read, or that reports are still waited for.
    if look.partial || !look.lost.is_empty() {
        wait = wait.min(poll);
    }
    let end = look.next_end.map(|end| end + LATE);
    end.map_or(wait, |end| end.min(wait))
}

/// Deals with what a look has found; the time until the next step is due, if any waits.
async fn attend(
    store: &Store,
    connection: &mut AdvanceConnection,
    look: Look,
) -> Result<Option<Duration>, StoreError> {
    if look.reports {
        store.hub().raise(&Channel::Results);
    }
    for (namespace, messages) in look.lost {
        for batch in messages.chunks(LOST_BATCH) {
            let lost = connection.reclaim(&namespace, batch).await?;
            if lost.applied == 0 {
                continue;
            }
            tracing::warn!(%namespace, attempts = lost.applied, "leases ran out; their attempts were ended");
            metrics::counter!(telemetry::LEASES_LOST_TOTAL, "namespace" => namespace.to_string())
                .increment(lost.applied as u64);
            announce(store.hub(), &BTreeMap::from([(namespace.clone(), lost)]));
        }
    }
    enqueue(store, connection, look.delays).await
}

/// Enqueues what is due; the time until the next step is due, if any waits.
async fn enqueue(
    store: &Store,
    connection: &mut AdvanceConnection,
    delays: Delays,
) -> Result<Option<Duration>, StoreError> {
    let mut moved = 0;
    for namespace in delays.due {
        let due = connection.enqueue_due(&namespace).await?;
        if due > 0 {
            store.hub().wake(&Channel::Steps(namespace));
        }
        moved += due;
    }
    // What was due has moved: another look at once, for what is due next. Where
    // nothing moved, another orchestrator was faster and knows what is next; looking
    // again at once would be spinning.
    Ok(if moved > 0 {
        Some(Duration::ZERO)
    } else {
        delays.next.filter(|due| !due.is_zero())
    })
}
