//! What a worker has in hand: every claimed step until its report is stored.
//!
//! INVARIANT: a step is here exactly while its lease must be renewed. It comes
//! in with its claim and leaves when its report is stored or its lease is lost.
//! Room for another handler is free as soon as the step is answered, so that
//! handlers run while reports are stored.
//! The first outcome of a step counts; the handler's answer after a timeout, or
//! a second answer, finds the step answered and is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tasker_shared::domain::Namespace;
use tasker_shared::store::{Attempt, Lease};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::seam::{ExecutionId, ProgressSlot, TaskFacts};

/// One claimed step.
pub(crate) struct Running {
    pub(crate) attempt: Attempt,
    pub(crate) namespace: Namespace,
    /// Of its task, unless the step goes back without a start.
    pub(crate) facts: Option<Arc<TaskFacts>>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) progress: ProgressSlot,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    /// An outcome is on its way to be stored.
    pub(crate) answered: bool,
    pub(crate) room: Room,
}

/// Room for one step: for its handler until that has answered, and for the step
/// until it leaves.
pub(crate) struct Room {
    pub(crate) handler: Option<OwnedSemaphorePermit>,
    pub(crate) _step: OwnedSemaphorePermit,
}

/// What a step leaves behind for its report.
pub(crate) struct Answered {
    pub(crate) attempt: Attempt,
    pub(crate) namespace: Namespace,
    pub(crate) facts: Option<Arc<TaskFacts>>,
    pub(crate) started: Instant,
}

/// All claimed steps of the process.
#[derive(Default)]
pub(crate) struct InHand {
    steps: Mutex<HashMap<ExecutionId, Running>>,
    changed: Notify,
}

impl InHand {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Running>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, execution: ExecutionId, step: Running) {
        let was_empty = {
            let mut steps = self.lock();
            let was_empty = steps.is_empty();
            steps.insert(execution, step);
            was_empty
        };
        if was_empty {
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Marks a step answered; `None` if it is gone or has been answered before.
    pub(crate) fn answer(&self, execution: &ExecutionId) -> Option<Answered> {
        let mut steps = self.lock();
        let step = steps.get_mut(execution).filter(|step| !step.answered)?;
        step.answered = true;
        step.room.handler = None;
        Some(Answered {
            attempt: step.attempt,
            namespace: step.namespace.clone(),
            facts: step.facts.clone(),
            started: step.started,
        })
    }

    /// Lets go of steps whose reports are stored.
    pub(crate) fn release(&self, executions: &[ExecutionId]) {
        {
            let mut steps = self.lock();
            for execution in executions {
                steps.remove(execution);
            }
        }
        self.changed.notify_waiters();
    }

    /// Lets go of steps whose leases are lost, tells their handlers, and returns
    /// how many there were. A step with an outcome on its way stays: its message
    /// may be gone because that outcome has just been applied.
    pub(crate) fn lose(&self, namespace: &Namespace, message_ids: &[i64]) -> usize {
        let mut lost = 0;
        self.lock().retain(|execution, step| {
            let gone = !step.answered
                && step.namespace == *namespace
                && message_ids.contains(&execution.message_id);
            if gone {
                step.cancelled.cancel();
                lost += 1;
            }
            !gone
        });
        self.changed.notify_waiters();
        lost
    }

    /// Steps that have run longer than they may and have no outcome yet.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<(ExecutionId, std::time::Duration)> {
        let steps = self.lock();
        let overdue = steps
            .iter()
            .filter(|(_, step)| !step.answered && step.deadline <= now);
        overdue
            .map(|(id, step)| (*id, step.deadline - step.started))
            .collect()
    }

    /// Tells the handler of a step that nobody waits for it any more.
    pub(crate) fn cancel(&self, execution: &ExecutionId) {
        if let Some(step) = self.lock().get(execution) {
            step.cancelled.cancel();
        }
    }

    /// Steps without an outcome.
    pub(crate) fn unanswered(&self) -> Vec<ExecutionId> {
        self.lock()
            .iter()
            .filter(|(_, step)| !step.answered)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Leases to renew, by namespace.
    pub(crate) fn leases(&self) -> HashMap<Namespace, Vec<Lease>> {
        let mut leases: HashMap<Namespace, Vec<Lease>> = HashMap::new();
        for (execution, step) in self.lock().iter() {
            let lease = Lease {
                message_id: execution.message_id,
                token: execution.lease_token,
            };
            leases
                .entry(step.namespace.clone())
                .or_default()
                .push(lease);
        }
        leases
    }

    /// What handlers said of their progress since the last call.
    pub(crate) fn take_progress(&self) -> Vec<(i64, i32, Value)> {
        let steps = self.lock();
        let said = steps.iter().filter_map(|(execution, step)| {
            step.progress
                .take()
                .map(|value| (execution.step_id, execution.attempt, value))
        });
        said.collect()
    }

    /// Waits until nothing is in hand. Cancel safe.
    pub(crate) async fn empty(&self) {
        loop {
            let changed = self.changed.notified();
            if self.len() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Waits until a step is in hand no more. Cancel safe.
    pub(crate) async fn left(&self, execution: &ExecutionId) {
        loop {
            let changed = self.changed.notified();
            if !self.lock().contains_key(execution) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until something is in hand. Cancel safe.
    pub(crate) async fn occupied(&self) {
        loop {
            let changed = self.changed.notified();
            if self.len() > 0 {
                return;
            }
            changed.await;
        }
    }
}
