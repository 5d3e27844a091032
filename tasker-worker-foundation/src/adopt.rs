//! The adopter: a worker that claims nothing. It takes executions over that another
//! worker has claimed and handed on, and is otherwise as that: it keeps their leases,
//! ends what runs too long, and reports.
//!
//! It is for the processes of an application's own job queue. A job carries a
//! [`Reference`]; of all jobs with the same one, whoever adopts first runs the step, and
//! the others find nothing to do. There is no limit of its own to what it has in hand:
//! whoever asks has a thread for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tasker_shared::config::Config;
use tasker_shared::domain::{Namespace, Outcome};
use tasker_shared::messaging::Channel;
use tasker_shared::store::{AdoptConnection, Handed, Lease, Store, StoreError};
use tasker_shared::supervise::{within, LoopHealth, Pause};
use tokio::sync::{mpsc, oneshot, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::fetch::take_in_hand;
use crate::seam::{Completion, CompletionSink, Dispatch, ExecutionId, StepEvent};
use crate::service::{live_and_drain, Shared, STEPS_PER_HANDLER};
use crate::{keep, report};

/// What a job knows of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub namespace: Namespace,
    pub execution: ExecutionId,
    /// The worker that handed it on.
    pub worker_id: String,
}

/// An execution on its way to whoever asked for it. If it does not arrive, it is handed
/// back uncounted.
#[derive(Debug)]
pub struct Adopted {
    event: Option<Box<StepEvent>>,
    sink: CompletionSink,
}

impl Adopted {
    /// The event, and where its completion goes.
    pub fn take(mut self) -> Option<(StepEvent, CompletionSink)> {
        let event = self.event.take();
        event.map(|event| (*event, self.sink.clone()))
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.sink.complete(vec![Completion {
                execution: event.execution,
                outcome: Outcome::HandedBack,
            }]);
        }
    }
}

/// Why an execution could not be adopted, besides that it can be no more.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdoptError {
    #[error("the worker of this process has stopped")]
    Stopped,
    #[error("{0}")]
    Store(Arc<StoreError>),
}

impl AdoptError {
    /// Stable code for callers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Store(error) => error.code(),
        }
    }
}

/// See the module.
pub struct Adopter {
    shared: Arc<Shared>,
    wanted: mpsc::Sender<Wanted>,
}

/// One who waits for an execution.
struct Wanted {
    reference: Reference,
    answer: oneshot::Sender<Result<Verdict, AdoptError>>,
}

enum Verdict {
    Adopted(Adopted),
    /// It has ended, or somebody else has adopted it.
    Stale,
    /// Its rows were locked.
    Busy,
}

/// Askers that may wait for the loop to hear them.
const WANTED_MAX: usize = 1_024;
/// Most executions one statement adopts.
const BATCH_MAX: usize = 256;
/// A row is locked for the time of a renewal, or because the attempt is being ended.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
const BUSY_TRIES: u32 = 100;

impl Adopter {
    /// Starts an adopter that lives until `shutdown` and then drains as a worker does.
    /// It listens on no address.
    pub fn start(config: &Config, store: Store, shutdown: CancellationToken) -> Self {
        let room = Semaphore::MAX_PERMITS / STEPS_PER_HANDLER;
        let (shared, completions) =
            Shared::new(&config.worker, room, store, Arc::new(Nobody), shutdown);
        let (wanted, heard) = mpsc::channel(WANTED_MAX);
        tokio::spawn(report::run(
            shared.clone(),
            completions,
            shared.watch("report"),
        ));
        tokio::spawn(keep::run(shared.clone(), shared.watch("keep")));
        let adopting = tokio::spawn(run(shared.clone(), heard, shared.watch("adopt")));
        let followed = tokio::spawn(async { vec![adopting] });
        tokio::spawn(live_and_drain(shared.clone(), followed));
        Self { shared, wanted }
    }

    /// Adopts an execution; `None` if that can be done no more. While the database is
    /// away it waits: giving up would lose every job that comes meanwhile.
    ///
    /// Cancel safe: what is adopted and does not arrive is handed back.
    ///
    /// # Errors
    /// If this adopter has stopped, and what the database says for good.
    pub async fn adopt(&self, reference: &Reference) -> Result<Option<Adopted>, AdoptError> {
        let mut pause = Pause::default();
        let mut tries = 0;
        loop {
            let wait = match self.ask(reference).await {
                Ok(Verdict::Adopted(adopted)) => return Ok(Some(adopted)),
                Ok(Verdict::Stale) => return Ok(None),
                Ok(Verdict::Busy) if tries == BUSY_TRIES => return Ok(None),
                Ok(Verdict::Busy) => {
                    tries += 1;
                    BUSY_PAUSE
                }
                Err(AdoptError::Store(error)) if error.is_transient() => pause.lengthen(),
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shared.drain.cancelled() => return Err(AdoptError::Stopped),
            }
        }
    }

    async fn ask(&self, reference: &Reference) -> Result<Verdict, AdoptError> {
        let (answer, told) = oneshot::channel();
        let wanted = Wanted {
            reference: reference.clone(),
            answer,
        };
        let sent = self.wanted.send(wanted).await;
        sent.map_err(|_| AdoptError::Stopped)?;
        told.await.unwrap_or(Err(AdoptError::Stopped))
    }

    /// Waits until the outcome of an execution is stored, or its lease is lost. Cancel
    /// safe.
    pub async fn settled(&self, execution: &ExecutionId) {
        tokio::select! {
            () = self.shared.in_hand.left(execution) => {}
            () = self.shared.stopped.cancelled() => {}
        }
    }

    /// Waits until the adopter has drained after its shutdown. Cancel safe.
    pub async fn stopped(&self) {
        self.shared.stopped.cancelled().await;
    }
}

/// An adopter goes on with nothing: children of what it ends are jobs too.
struct Nobody;

impl Dispatch for Nobody {
    fn handler_classes(&self) -> Vec<String> {
        Vec::new()
    }

    fn has_handler(&self, _handler_class: &str) -> bool {
        false
    }

    fn dispatch(&self, events: Vec<StepEvent>, sink: &CompletionSink) {
        let back = events.into_iter().map(|event| Completion {
            execution: event.execution,
            outcome: Outcome::HandedBack,
        });
        sink.complete(back.collect());
    }
}

/// Adopts what is asked for until the adopter drains. Whoever asks while a statement runs
/// is in the next one.
async fn run(shared: Arc<Shared>, mut heard: mpsc::Receiver<Wanted>, health: Arc<LoopHealth>) {
    let mut connection: Option<AdoptConnection> = None;
    loop {
        let mut asked = Vec::new();
        let some = tokio::select! {
            n = heard.recv_many(&mut asked, BATCH_MAX) => n > 0,
            () = shared.drain.cancelled() => false,
        };
        if !some {
            return;
        }
        let mut by_namespace: BTreeMap<Namespace, Vec<Wanted>> = BTreeMap::new();
        for wanted in asked.into_iter().filter(|w| !w.answer.is_closed()) {
            let namespace = wanted.reference.namespace.clone();
            by_namespace.entry(namespace).or_default().push(wanted);
        }
        for (namespace, wanted) in by_namespace {
            let turn = turn(&shared, &mut connection, &namespace, &wanted);
            match within(shared.store.patience(), turn).await {
                Ok(verdicts) => {
                    health.turned();
                    answer(&shared, wanted, verdicts);
                }
                Err(error) => {
                    health.failed(&error);
                    connection = None;
                    let error = AdoptError::Store(Arc::new(error));
                    for wanted in wanted {
                        // Nobody is left to tell if it is closed.
                        let _ = wanted.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }
}

/// Tells everybody, and the workers that have room again.
fn answer(shared: &Shared, wanted: Vec<Wanted>, verdicts: Vec<Verdict>) {
    let mut workers = BTreeSet::new();
    for (wanted, verdict) in wanted.into_iter().zip(verdicts) {
        if matches!(verdict, Verdict::Adopted(_)) {
            workers.insert(wanted.reference.worker_id);
        }
        // What comes back here because nobody waits any more is handed back.
        let _ = wanted.answer.send(Ok(verdict));
    }
    for worker_id in workers {
        shared.store.hub().wake(&Channel::Adopted(worker_id));
    }
}

/// A verdict for each, in their order.
async fn turn(
    shared: &Shared,
    connection: &mut Option<AdoptConnection>,
    namespace: &Namespace,
    wanted: &[Wanted],
) -> Result<Vec<Verdict>, StoreError> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(AdoptConnection::open(&shared.store).await?),
    };
    let handed: Vec<Handed> = wanted.iter().map(|w| handed_of(&w.reference)).collect();
    let claim = open.adopt(namespace, &handed).await?;
    let room = shared.spare_room(claim.steps.len());
    let events = take_in_hand(shared, namespace, claim, room).await?;
    let mut adopted: HashMap<i64, Adopted> = HashMap::with_capacity(events.len());
    for event in events {
        let message_id = event.execution.message_id;
        let sink = shared.sink.clone();
        let event = Some(Box::new(event));
        adopted.insert(message_id, Adopted { event, sink });
    }
    let left: Vec<Lease> = handed
        .iter()
        .map(|handed| handed.lease)
        .filter(|lease| !adopted.contains_key(&lease.message_id))
        .collect();
    let gone = if left.is_empty() {
        Vec::new()
    } else {
        open.gone(namespace, &left).await?
    };
    let verdicts = handed.iter().map(|handed| {
        let message_id = handed.lease.message_id;
        match adopted.remove(&message_id) {
            Some(adopted) => Verdict::Adopted(adopted),
            None if gone.contains(&message_id) => Verdict::Stale,
            // Or a second job with the same reference in this very batch.
            None => Verdict::Busy,
        }
    });
    Ok(verdicts.collect())
}

fn handed_of(reference: &Reference) -> Handed {
    let execution = reference.execution;
    Handed {
        step_id: execution.step_id,
        attempt: execution.attempt,
        lease: Lease {
            message_id: execution.message_id,
            token: execution.lease_token,
        },
    }
}
