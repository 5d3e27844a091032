//! Handlers in Rust: the trait, what a handler sees, and the registry.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use serde_json::Value;
use tasker_shared::domain::{Outcome, StepError};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::seam::{Completion, CompletionSink, Dispatch, StepEvent, TaskFacts};

/// Code for one kind of step.
#[async_trait]
pub trait StepHandler: Send + Sync + 'static {
    /// Does the work of one attempt and returns the step's results.
    ///
    /// A step may run more than once (a worker can die after the work is done
    /// and before it is recorded): use [`StepContext::idempotency_token`]
    /// towards other systems. The future is dropped when the step's timeout
    /// passes or its lease is lost; it must be safe to drop at any await.
    async fn call(&self, context: &StepContext) -> Result<Value, StepError>;
}

/// What a handler knows of its step.
#[derive(Debug, Clone)]
pub struct StepContext {
    event: Arc<StepEvent>,
}

impl StepContext {
    pub fn new(event: StepEvent) -> Self {
        Self {
            event: Arc::new(event),
        }
    }

    pub fn task(&self) -> &TaskFacts {
        &self.event.task
    }

    pub fn task_id(&self) -> i64 {
        self.event.task.task_id
    }

    pub fn step_id(&self) -> i64 {
        self.event.execution.step_id
    }

    pub fn step_name(&self) -> &str {
        &self.event.step_name
    }

    /// The attempt, from 1.
    pub fn attempt(&self) -> i32 {
        self.event.execution.attempt
    }

    /// Executions allowed in all.
    pub fn retry_limit(&self) -> i32 {
        self.event.retry_limit
    }

    /// The task's context.
    pub fn context(&self) -> &Value {
        &self.event.task.context
    }

    /// The step's own inputs: a copy of the context unless an operator changed it.
    pub fn inputs(&self) -> &Value {
        &self.event.inputs
    }

    /// The template's `handler_config`, or null.
    pub fn config(&self) -> &Value {
        &self.event.config
    }

    /// Results of a parent; `None` if `step_name` is not a parent of this step.
    pub fn result_of(&self, step_name: &str) -> Option<&Value> {
        self.event.parents.get(step_name).map(Arc::as_ref)
    }

    /// Results of all parents by step name.
    pub fn results(&self) -> &BTreeMap<String, Arc<Value>> {
        &self.event.parents
    }

    /// What an earlier attempt left in the step's own results.
    pub fn previous_results(&self) -> &Value {
        &self.event.previous_results
    }

    /// True once nobody waits for this attempt any more: stop, and undo nothing.
    pub fn is_cancelled(&self) -> bool {
        self.event.cancelled.is_cancelled()
    }

    /// Completes when [`is_cancelled`](Self::is_cancelled) turns true.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + '_ {
        self.event.cancelled.cancelled()
    }

    /// A token for code that takes a cancellation token of its own.
    pub fn cancellation_token(&self) -> CancellationToken {
        self.event.cancelled.clone()
    }

    /// Says how far the work is; stored with the next lease renewal.
    pub fn progress(&self, progress: Value) {
        self.event.progress.set(progress);
    }

    /// The same for every execution of this step, different for every other
    /// step: give it to systems that remove duplicates.
    pub fn idempotency_token(&self) -> String {
        format!("tasker-{}-{}", self.task_id(), self.step_id())
    }

    pub fn correlation_id(&self) -> Option<&str> {
        self.event.task.correlation_id.as_deref()
    }

    pub fn traceparent(&self) -> Option<&str> {
        self.event.task.traceparent.as_deref()
    }
}

type BoxedCall = Pin<Box<dyn Future<Output = Result<Value, StepError>> + Send>>;

/// A handler made of a function.
struct FnHandler<F>(F);

#[async_trait]
impl<F> StepHandler for FnHandler<F>
where
    F: Fn(StepContext) -> BoxedCall + Send + Sync + 'static,
{
    async fn call(&self, context: &StepContext) -> Result<Value, StepError> {
        (self.0)(context.clone()).await
    }
}

/// Handlers by `handler_class`.
#[derive(Clone, Default)]
pub struct HandlerRegistry {
    handlers: HashMap<String, Arc<dyn StepHandler>>,
}

impl HandlerRegistry {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler under the name templates use; the last one of a name wins.
    #[must_use]
    pub fn register(mut self, handler_class: impl Into<String>, handler: impl StepHandler) -> Self {
        self.handlers
            .insert(handler_class.into(), Arc::new(handler));
        self
    }

    /// Adds a function as a handler.
    #[must_use]
    pub fn register_fn<F, R>(self, handler_class: impl Into<String>, function: F) -> Self
    where
        F: Fn(StepContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, StepError>> + Send + 'static,
    {
        let boxed = move |context: StepContext| -> BoxedCall { Box::pin(function(context)) };
        self.register(handler_class, FnHandler(boxed))
    }

    /// All of `other` as well; its handlers win where names are the same.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.handlers.extend(other.handlers);
        self
    }

    pub fn get(&self, handler_class: &str) -> Option<Arc<dyn StepHandler>> {
        self.handlers.get(handler_class).cloned()
    }

    /// Names of all handlers, sorted.
    pub fn classes(&self) -> Vec<String> {
        let mut classes: Vec<String> = self.handlers.keys().cloned().collect();
        classes.sort();
        classes
    }
}

/// Runs the handlers of a registry as tasks of the current tokio runtime.
pub struct RustDispatch {
    registry: HandlerRegistry,
}

impl RustDispatch {
    pub fn new(registry: HandlerRegistry) -> Self {
        Self { registry }
    }
}

impl Dispatch for RustDispatch {
    fn handler_classes(&self) -> Vec<String> {
        self.registry.classes()
    }

    fn has_handler(&self, handler_class: &str) -> bool {
        self.registry.handlers.contains_key(handler_class)
    }

    fn dispatch(&self, events: Vec<StepEvent>, sink: &CompletionSink) {
        for event in events {
            let execution = event.execution;
            let Some(handler) = self.registry.get(&event.handler_class) else {
                let handler_class = event.handler_class;
                let outcome = Outcome::NoHandler { handler_class };
                sink.complete(vec![Completion { execution, outcome }]);
                continue;
            };
            let span = event.span();
            let sink = sink.clone();
            let run = async move {
                if let Some(outcome) = run_handler(handler, StepContext::new(event)).await {
                    sink.complete(vec![Completion { execution, outcome }]);
                }
            };
            tokio::spawn(run.instrument(span));
        }
    }
}

/// One call, with panics caught. `None` if it was cancelled: then the worker
/// has already decided what becomes of the step.
async fn run_handler(handler: Arc<dyn StepHandler>, context: StepContext) -> Option<Outcome> {
    let call = AssertUnwindSafe(handler.call(&context)).catch_unwind();
    let result = tokio::select! {
        biased;
        result = call => result,
        // A handler may have an answer for its cancellation (it wins the race
        // above); one that is deaf to it is dropped at its next await.
        () = grace_after(&context) => return None,
    };
    Some(match result {
        Ok(Ok(results)) => Outcome::Success { results },
        Ok(Err(error)) => Outcome::Failure { error },
        Err(panic) => Outcome::Failure {
            error: StepError::panic(panic_text(&*panic)),
        },
    })
}

/// Time a cancelled handler has to finish by itself.
const CANCEL_GRACE: std::time::Duration = std::time::Duration::from_millis(500);

async fn grace_after(context: &StepContext) {
    context.cancelled().await;
    tokio::time::sleep(CANCEL_GRACE).await;
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned());
    format!("the handler panicked: {text}")
}
