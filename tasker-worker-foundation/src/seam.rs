//! The seam between the worker and the code that runs handlers.
//!
//! Events go out and completions come in, both in batches: a crossing into
//! another language costs far more than a step, so nothing here is one at a
//! time. The Rust registry attaches here ([`crate::RustDispatch`]), and so does
//! every other language.
//!
//! The worker keeps leases, timeouts and fences on its own side. A dispatcher
//! that is slow, loses an event or completes one twice harms only that step:
//! the first completion of a step counts, any later one is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tasker_shared::domain::Outcome;
use tokio_util::sync::CancellationToken;

/// Names one execution of a step: never reused, not even when the attempt
/// number is (a step handed back gets the same attempt and a new lease).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionId {
    pub step_id: i64,
    /// From 1.
    pub attempt: i32,
    /// Message of the step's queue that carries the lease.
    pub message_id: i64,
    /// How often the message had been taken when this execution took it.
    pub lease_token: i32,
}

/// What the steps of one task have in common.
#[derive(Debug, Clone)]
pub struct TaskFacts {
    pub task_id: i64,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub context: Value,
    pub correlation_id: Option<String>,
    /// W3C trace context of the request that made the task.
    pub traceparent: Option<String>,
    pub saved_context: SavedContext,
}

impl TaskFacts {
    /// The facts for a step that starts now, without a claim of its own: with the
    /// context that a step before it may have stored.
    pub(crate) fn now(self: &Arc<Self>) -> Arc<Self> {
        match self.saved_context.get() {
            None => self.clone(),
            Some(context) => Arc::new(Self {
                context,
                saved_context: SavedContext::default(),
                ..Self::clone(self)
            }),
        }
    }
}

/// The context that a handler has stored in the place of the one its task came with.
#[derive(Debug, Clone, Default)]
pub struct SavedContext(Arc<std::sync::Mutex<Option<Value>>>);

impl SavedContext {
    /// Once it is in the database, and before the step is answered.
    pub fn set(&self, context: Value) {
        *self.lock() = Some(context);
    }

    fn get(&self) -> Option<Value> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Value>> {
        let slot = self.0.lock();
        slot.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One claimed step, with all its handler needs.
#[derive(Debug, Clone)]
pub struct StepEvent {
    pub execution: ExecutionId,
    pub task: Arc<TaskFacts>,
    pub step_name: String,
    pub handler_class: String,
    /// The template's `handler_config`, or null.
    pub config: Arc<Value>,
    pub inputs: Value,
    /// `results` of the step's parents by step name.
    pub parents: BTreeMap<String, Arc<Value>>,
    /// What an earlier attempt left in the step's own `results`.
    pub previous_results: Value,
    pub retry_limit: i32,
    pub retryable: bool,
    /// Time the handler may take.
    pub timeout: Duration,
    /// Cancelled when the lease is lost, the step is cancelled, the timeout
    /// has passed or the worker is out of time to drain.
    pub cancelled: CancellationToken,
    pub progress: ProgressSlot,
}

impl StepEvent {
    /// A span for the run of the handler, inside the trace of the task. Begins when it is
    /// first entered; what the handler calls goes on in it.
    pub fn span(&self) -> tracing::Span {
        let ExecutionId {
            step_id, attempt, ..
        } = self.execution;
        let span = tracing::info_span!(
            "step",
            task_id = self.task.task_id,
            step_id,
            step = %self.step_name,
            attempt,
            handler = %self.handler_class,
            correlation_id = self.task.correlation_id.as_deref(),
        );
        if let Some(traceparent) = &self.task.traceparent {
            tasker_shared::telemetry::adopt(&span, traceparent);
        }
        span
    }
}

/// Where a handler leaves word of its progress; the next lease renewal stores it.
#[derive(Debug, Clone, Default)]
pub struct ProgressSlot(Arc<std::sync::Mutex<Option<Value>>>);

impl ProgressSlot {
    /// Replaces what was said before and not yet stored.
    pub fn set(&self, progress: Value) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(progress);
    }

    /// Takes what is there to be stored.
    pub fn take(&self) -> Option<Value> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    pub execution: ExecutionId,
    pub outcome: Outcome,
}

/// Takes completions in, from any thread. Cheap to clone.
///
/// It never blocks and needs no bound of its own: there is at most one
/// completion for each event the worker let out.
#[derive(Debug, Clone)]
pub struct CompletionSink(pub(crate) tokio::sync::mpsc::UnboundedSender<Vec<Completion>>);

impl CompletionSink {
    /// A sink without a worker, and what arrives in it: for tests and benchmarks of a
    /// dispatcher.
    pub fn apart() -> (Self, Completions) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self(sender), Completions(receiver))
    }

    /// Hands completions to the worker; after the worker has stopped they are
    /// dropped, and the steps run again when their leases end.
    pub fn complete(&self, completions: Vec<Completion>) {
        // A closed channel means the worker is gone: nobody is left to tell.
        let _ = self.0.send(completions);
    }
}

/// What arrives in a sink that stands [apart](CompletionSink::apart).
#[derive(Debug)]
pub struct Completions(tokio::sync::mpsc::UnboundedReceiver<Vec<Completion>>);

impl Completions {
    /// Waits for completions; `None` when there is no sink left. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<Completion>> {
        self.0.recv().await
    }
}

/// Runs handlers. Implemented once per language.
pub trait Dispatch: Send + Sync + 'static {
    /// Handler classes it can run now. Steps of other classes go back
    /// uncounted, and `explain` names the missing handler.
    fn handler_classes(&self) -> Vec<String>;

    /// Whether it can run steps of this class.
    fn has_handler(&self, handler_class: &str) -> bool;

    /// Whether it hands executions on to other processes, which adopt them
    /// ([`crate::Adopter`]), and so runs none here. Then their time limits are none of
    /// this worker's business, and losing a lease is what is meant to happen.
    fn hands_on(&self) -> bool {
        false
    }

    /// Starts the events and returns at once; each is answered exactly once
    /// through `sink`. It must not block the calling thread and must not panic.
    fn dispatch(&self, events: Vec<StepEvent>, sink: &CompletionSink);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{json, Value};

    use super::{SavedContext, TaskFacts};

    #[test]
    fn a_step_that_starts_without_a_claim_gets_the_context_that_was_saved_before_it() {
        let facts = Arc::new(TaskFacts {
            task_id: 1,
            namespace: "n".to_owned(),
            name: "t".to_owned(),
            version: "1.0.0".to_owned(),
            context: json!({"n": 1}),
            correlation_id: Some("c".to_owned()),
            traceparent: None,
            saved_context: SavedContext::default(),
        });
        assert!(Arc::ptr_eq(&facts.now(), &facts));
        facts.saved_context.set(json!({"n": 2}));
        let after = facts.now();
        let read: (&Value, Option<&str>) = (&after.context, after.correlation_id.as_deref());
        assert_eq!(read, (&json!({"n": 2}), Some("c")));
        // What runs has what it began with.
        assert_eq!(facts.context, json!({"n": 1}));
        after.saved_context.set(json!({"n": 3}));
        assert_eq!(after.now().context, json!({"n": 3}));
    }
}
