//! The intake: concurrent submissions share transactions.
//!
//! One writer takes whatever has arrived while it wrote the last batch; a lone
//! submission is written at once. The queue in front of it is bounded: when the
//! database takes less than clients send, they are told to come back, and
//! nothing piles up. Submissions run in the writer's task, so a client that goes
//! away cancels nothing half-way.

use std::sync::Arc;
use std::time::Duration;

use tasker_shared::messaging::{Channel, WakeHub};
use tasker_shared::store::submit::{NewTask, SubmitConnection, Submitted};
use tasker_shared::store::{ErrorClass, Store, StoreError};
use tasker_shared::supervise::{within, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio::sync::{mpsc, oneshot};

/// Why a submission was not stored.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("the intake is full")]
    Full,
    #[error("the intake has stopped")]
    Stopped,
    #[error(transparent)]
    Store(Arc<StoreError>),
}

/// Times a batch is written before the client is told of an error that may pass.
const TRIES: u32 = 4;

type Answer = Result<Submitted, Arc<StoreError>>;
type Waiting = (NewTask, oneshot::Sender<Answer>);

/// Hands submissions to the intake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IntakeHandle {
    queue: mpsc::Sender<Waiting>,
}

impl IntakeHandle {
    /// Stores a task; when it returns the task is durable.
    ///
    /// Cancel safe: the task may be stored even so, and submitting it again with
    /// the same idempotency key finds it.
    ///
    /// # Errors
    /// `Full` at once if too many wait, `Stopped`, or what the store says.
    pub async fn submit(&self, new: NewTask) -> Result<Submitted, IntakeError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send((new, answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    metrics::counter!(telemetry::INTAKE_REJECTED_TOTAL).increment(1);
                    IntakeError::Full
                }
                mpsc::error::TrySendError::Closed(_) => IntakeError::Stopped,
            })?;
        match answered.await {
            Ok(answer) => answer.map_err(IntakeError::Store),
            Err(_) => Err(IntakeError::Stopped),
        }
    }

    /// Submissions that wait.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// Bounds of the intake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntakeOptions {
    pub(crate) queue_max: usize,
    pub(crate) batch_max: usize,
    /// Writers that may have a transaction under way.
    pub(crate) give_up_after: Duration,
}

/// Starts the writer; it ends when the last handle is gone.
pub(crate) fn start(store: Store, options: IntakeOptions, health: Arc<LoopHealth>) -> IntakeHandle {
    let (queue, waiting) = mpsc::channel(options.queue_max);
    tokio::spawn(write(store, options, waiting, health));
    IntakeHandle { queue }
}

async fn write(
    store: Store,
    options: IntakeOptions,
    mut waiting: mpsc::Receiver<Waiting>,
    health: Arc<LoopHealth>,
) {
    let mut writer = Writer {
        store: store.clone(),
        connection: None,
        give_up_after: options.give_up_after,
    };
    let mut batch: Vec<Waiting> = Vec::new();
    while waiting.recv_many(&mut batch, options.batch_max).await > 0 {
        // Whoever has stopped waiting is not waited for either.
        batch.retain(|(_, answer)| !answer.is_closed());
        let (tasks, answers): (Vec<NewTask>, Vec<_>) = batch.drain(..).unzip();
        if tasks.is_empty() {
            continue;
        }
        match writer.store(&tasks).await {
            Ok(submitted) => {
                health.turned();
                announce(store.hub(), &tasks, &submitted);
                for (answer, submitted) in answers.into_iter().zip(submitted) {
                    // The client may be gone; its task is stored all the same.
                    let _ = answer.send(Ok(submitted));
                }
            }
            Err(error) if answers.len() == 1 || error.is_transient() => {
                health.failed(&error);
                let error = Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
            // One of them is to blame: each by itself finds out which.
            Err(error) => {
                health.failed(&error);
                for (task, answer) in tasks.into_iter().zip(answers) {
                    write_one(&mut writer, task, answer).await;
                }
            }
        }
    }
}

async fn write_one(writer: &mut Writer, task: NewTask, answer: oneshot::Sender<Answer>) {
    let tasks = [task];
    let stored = writer.store(&tasks).await;
    if let Ok(submitted) = &stored {
        announce(writer.store.hub(), &tasks, submitted);
    }
    let one = stored
        .map_err(Arc::new)
        .map(|mut submitted| submitted.pop());
    let _ = match one {
        Ok(Some(submitted)) => answer.send(Ok(submitted)),
        Ok(None) => return,
        Err(error) => answer.send(Err(error)),
    };
}

/// The connection that writes, opened when there is something to write.
struct Writer {
    store: Store,
    connection: Option<SubmitConnection>,
    give_up_after: Duration,
}

impl Writer {
    /// Writes a batch; deadlocks and the like are tried again a few times, and so is
    /// what met a connection that broke while it was idle. If the first try did reach
    /// the disk, the second finds it by its identity.
    async fn store(&mut self, tasks: &[NewTask]) -> Result<Vec<Submitted>, StoreError> {
        let mut pause = Pause::default();
        let mut tries = 0;
        loop {
            let reused = self.connection.is_some();
            let written = within(self.give_up_after, self.attempt(tasks)).await;
            tries += 1;
            let Err(error) = written else {
                return written;
            };
            self.connection = None;
            let again = error.class() == ErrorClass::Retry || (reused && error.is_transient());
            if !again || tries == TRIES {
                return Err(error);
            }
            tokio::time::sleep(pause.lengthen()).await;
        }
    }

    async fn attempt(&mut self, tasks: &[NewTask]) -> Result<Vec<Submitted>, StoreError> {
        let connection = match &mut self.connection {
            Some(open) => open,
            none => none.insert(SubmitConnection::open(&self.store).await?),
        };
        connection.submit(tasks).await
    }
}

fn announce(hub: &WakeHub, tasks: &[NewTask], submitted: &[Submitted]) {
    for (task, submitted) in tasks.iter().zip(submitted) {
        if matches!(submitted, Submitted::Created(_)) {
            let namespace = task.definition.namespace();
            hub.wake(&Channel::Steps(namespace.clone()));
            metrics::counter!(telemetry::TASKS_SUBMITTED_TOTAL, "namespace" => namespace.to_string())
                .increment(1);
        }
    }
}
