//! The worker as a component: starts the loops, follows the namespaces, drains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tasker_shared::config::{self, Config};
use tasker_shared::domain::{Namespace, Outcome};
use tasker_shared::messaging::Channel;
use tasker_shared::store::{OpenError, Store, StoreError, WorkerRecord};
use tasker_shared::supervise::{jittered, within, LoopHealth};
use tasker_shared::telemetry;
use tasker_shared::wire::LoopStatus;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::poll::{self, Waiting};
use crate::running::{InHand, Room};
use crate::seam::{Completion, CompletionSink, Dispatch};
use crate::{fetch, handed_on, keep, report, web};

/// What the loops need of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) worker_id: String,
    /// Empty: every namespace with a step for one of the worker's handlers.
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) concurrency: usize,
    pub(crate) claim_batch_max: usize,
    pub(crate) report_batch_max: usize,
    pub(crate) default_timeout: Duration,
    pub(crate) drain_timeout: Duration,
}

/// What all loops of a worker share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) sink: CompletionSink,
    pub(crate) in_hand: InHand,
    /// Handlers that may run at once.
    pub(crate) handler_room: Arc<Semaphore>,
    /// Steps that may be in hand, those whose reports are being stored included.
    pub(crate) step_room: Arc<Semaphore>,
    pub(crate) waiting: Waiting,
    /// No more claims.
    pub(crate) drain: CancellationToken,
    /// Drained: the loops end.
    pub(crate) stopped: CancellationToken,
    pub(crate) loops: Mutex<Vec<Arc<LoopHealth>>>,
    pub(crate) started: Instant,
}

impl Shared {
    /// With room for as many handlers as `room` says; and what will be answered.
    pub(crate) fn new(
        section: &config::Worker,
        room: usize,
        store: Store,
        dispatch: Arc<dyn Dispatch>,
        drain: CancellationToken,
    ) -> (Arc<Self>, UnboundedReceiver<Vec<Completion>>) {
        let (sender, completions) = mpsc::unbounded_channel();
        let shared = Self {
            store,
            options: Options {
                worker_id: section.identity(),
                namespaces: section.namespaces.clone(),
                concurrency: room,
                claim_batch_max: section.claim_batch_max,
                report_batch_max: section.report_batch_max,
                default_timeout: Duration::from_secs(section.default_step_timeout_seconds),
                drain_timeout: Duration::from_millis(section.drain_timeout_ms),
            },
            dispatch,
            sink: CompletionSink(sender),
            in_hand: InHand::default(),
            handler_room: Arc::new(Semaphore::new(room)),
            step_room: Arc::new(Semaphore::new(room * STEPS_PER_HANDLER)),
            waiting: Waiting::default(),
            drain,
            stopped: CancellationToken::new(),
            loops: Mutex::default(),
            started: Instant::now(),
        };
        (Arc::new(shared), completions)
    }

    pub(crate) fn watch(&self, name: impl Into<String>) -> Arc<LoopHealth> {
        let health = LoopHealth::new(name);
        self.loops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(health.clone());
        health
    }

    pub(crate) fn loop_states(&self) -> Vec<LoopStatus> {
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        loops.iter().map(|health| health.status()).collect()
    }

    /// Room for up to `most` further steps, as far as nobody has it.
    pub(crate) fn spare_room(&self, most: usize) -> Vec<Room> {
        let mut rooms = Vec::new();
        while rooms.len() < most {
            let (Ok(step), Ok(handler)) = (
                self.step_room.clone().try_acquire_owned(),
                self.handler_room.clone().try_acquire_owned(),
            ) else {
                break;
            };
            rooms.push(Room {
                handler: Some(handler),
                _step: step,
            });
        }
        rooms
    }

    fn record(&self, namespaces: Vec<Namespace>) -> WorkerRecord {
        WorkerRecord {
            worker_id: self.options.worker_id.clone(),
            namespaces,
            handlers: self.dispatch.handler_classes(),
        }
    }
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{address} is reachable from other machines and the worker's web API has no authentication: bind a \
         loopback address, or set worker.allow_public = true"
    )]
    Public { address: SocketAddr },
    #[error("cannot listen on {address}: {source}")]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
}

/// Steps in hand for each handler that may run: while the reports of one batch are
/// stored, the handlers of the next one run. With 1 claims and reports took turns,
/// and chains in direct mode ran at 14,000 steps/s in place of 17,000.
pub(crate) const STEPS_PER_HANDLER: usize = 2;

/// How often a worker says that it is there, and looks for new namespaces.
const REFRESH: Duration = Duration::from_secs(20);

/// A worker.
pub struct Worker;

impl Worker {
    /// Starts a worker that runs steps through `dispatch` until `shutdown`, and
    /// then drains: no more claims, running handlers get
    /// `worker.drain_timeout_ms` to finish, what is left goes back uncounted.
    ///
    /// # Errors
    /// If the web address is taken or the database cannot be reached.
    pub async fn start(
        config: &Config,
        store: Store,
        dispatch: Arc<dyn Dispatch>,
        shutdown: CancellationToken,
    ) -> Result<WorkerHandle, WorkerError> {
        let section = &config.worker;
        if !section.allow_public && !section.bind.ip().is_loopback() {
            return Err(WorkerError::Public {
                address: section.bind,
            });
        }
        let listener = tokio::net::TcpListener::bind(section.bind)
            .await
            .map_err(|source| WorkerError::Bind {
                address: section.bind,
                source,
            })?;
        let address = listener.local_addr().map_err(|source| WorkerError::Bind {
            address: section.bind,
            source,
        })?;
        // Before anything is counted, or it would be lost.
        telemetry::install_recorder();
        let (shared, completions) =
            Shared::new(section, section.concurrency, store, dispatch, shutdown);
        // The first look at the namespaces also proves that the database answers.
        let namespaces = refresh(&shared).await?;
        shared
            .store
            .register_worker(&shared.record(namespaces.clone()))
            .await?;
        tokio::spawn(report::run(
            shared.clone(),
            completions,
            shared.watch("report"),
        ));
        tokio::spawn(keep::run(shared.clone(), shared.watch("keep")));
        tokio::spawn(poll::run(shared.clone(), shared.watch("poll")));
        if shared.dispatch.hands_on() {
            tokio::spawn(handed_on::run(shared.clone(), shared.watch("handed on")));
        }
        tokio::spawn(web::serve(listener, shared.clone()));
        let followed = tokio::spawn(follow(shared.clone(), namespaces));
        let ended = tokio::spawn(live_and_drain(shared.clone(), followed));
        tracing::info!(worker_id = %shared.options.worker_id, %address, "worker started");
        Ok(WorkerHandle {
            shared,
            address,
            ended,
        })
    }
}

/// Why a worker service ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] WorkerError),
}

/// The whole service: waits for the database, migrates it, runs until `shutdown`
/// and drains.
///
/// # Errors
/// If it cannot start; once started it goes on through any loss of the database.
pub async fn run_service(
    config: &Config,
    dispatch: Arc<dyn Dispatch>,
    shutdown: CancellationToken,
) -> Result<(), ServiceError> {
    let store = tokio::select! {
        store = Store::open(config) => store?,
        () = shutdown.cancelled() => return Ok(()),
    };
    Worker::start(config, store, dispatch, shutdown)
        .await?
        .join()
        .await;
    Ok(())
}

/// A running worker.
pub struct WorkerHandle {
    shared: Arc<Shared>,
    address: SocketAddr,
    ended: JoinHandle<()>,
}

impl WorkerHandle {
    /// Where the worker's own web API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn worker_id(&self) -> &str {
        &self.shared.options.worker_id
    }

    /// Steps claimed and not yet reported.
    pub fn steps_in_hand(&self) -> usize {
        self.shared.in_hand.len()
    }

    /// Waits until the worker has drained after its shutdown, for any number of those who
    /// want to know. Cancel safe.
    pub async fn stopped(&self) {
        self.shared.stopped.cancelled().await;
    }

    /// Waits until the worker has drained after its shutdown.
    pub async fn join(self) {
        // The task cannot be aborted by anybody else; a panic in it is logged.
        let _ = self.ended.await;
    }
}

/// Says that the worker is there; the namespaces it serves now. Of its own accord it
/// goes only where it has a handler for something: elsewhere it would park steps
/// that others can run.
async fn refresh(shared: &Shared) -> Result<Vec<Namespace>, StoreError> {
    let options = &shared.options;
    let seek = options.namespaces.is_empty();
    let handlers = shared.dispatch.handler_classes();
    let found = shared
        .store
        .refresh_worker(&options.worker_id, if seek { &handlers } else { &[] })
        .await?;
    Ok(if seek {
        found
    } else {
        options.namespaces.clone()
    })
}

/// Starts a fetcher for each namespace as it appears, and keeps the worker's row
/// fresh; returns the fetchers when the worker drains.
async fn follow(shared: Arc<Shared>, first: Vec<Namespace>) -> Vec<JoinHandle<()>> {
    let health = shared.watch("follow");
    let templates = shared.store.hub().signal(&Channel::Templates);
    let mut fetchers: HashMap<Namespace, JoinHandle<()>> = HashMap::new();
    let mut namespaces = first;
    loop {
        let mut grown = false;
        for namespace in &namespaces {
            if !fetchers.contains_key(namespace) {
                let watch = shared.watch(format!("fetch {namespace}"));
                let fetcher = tokio::spawn(fetch::run(shared.clone(), namespace.clone(), watch));
                fetchers.insert(namespace.clone(), fetcher);
                grown = true;
            }
        }
        if grown {
            if let Err(error) = shared
                .store
                .register_worker(&shared.record(namespaces.clone()))
                .await
            {
                health.failed(&error);
            }
        }
        tokio::select! {
            _ = templates.wait(jittered(REFRESH)) => {}
            () = shared.drain.cancelled() => break,
        }
        match within(shared.store.patience(), refresh(&shared)).await {
            Ok(found) => {
                namespaces = found;
                health.turned();
            }
            Err(error) => health.failed(&error),
        }
    }
    fetchers.into_values().collect()
}

/// Waits for the drain, and then for the loops of `followed` and what is in hand.
pub(crate) async fn live_and_drain(shared: Arc<Shared>, followed: JoinHandle<Vec<JoinHandle<()>>>) {
    shared.drain.cancelled().await;
    let since = Instant::now();
    tracing::info!(in_hand = shared.in_hand.len(), "draining");
    for fetcher in followed.await.unwrap_or_default() {
        // A fetcher ends at its next pause: one statement at most.
        let _ = fetcher.await;
    }
    // Two thirds of the time for handlers to finish, the rest to give back.
    let patience = shared.options.drain_timeout.mul_f64(0.66);
    let left = patience.saturating_sub(since.elapsed());
    if tokio::time::timeout(left, shared.in_hand.empty())
        .await
        .is_err()
    {
        give_back(&shared);
        let left = shared.options.drain_timeout.saturating_sub(since.elapsed());
        if tokio::time::timeout(left, shared.in_hand.empty())
            .await
            .is_err()
        {
            // Their leases end by themselves; nothing is lost but time.
            tracing::warn!(
                in_hand = shared.in_hand.len(),
                "stopped before all steps were given back"
            );
        }
    }
    if let Err(error) = shared.store.forget_worker(&shared.options.worker_id).await {
        tracing::debug!(%error, "the worker's row stays until it is swept");
    }
    shared.store.hub().finish().await;
    shared.stopped.cancel();
    tracing::info!("worker stopped");
}

/// Gives back what has no outcome yet: the attempts do not count.
fn give_back(shared: &Shared) {
    let unfinished = shared.in_hand.unanswered();
    tracing::info!(
        steps = unfinished.len(),
        "giving back what did not finish in time"
    );
    // ORDER: as for a timeout, the outcome before the cancellation.
    let completions = unfinished.iter().map(|execution| Completion {
        execution: *execution,
        outcome: Outcome::HandedBack,
    });
    shared.sink.complete(completions.collect());
    for execution in &unfinished {
        shared.in_hand.cancel(execution);
    }
}
