//! Step contexts made by hand, for unit tests of handlers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{
    ExecutionId, ProgressSlot, SavedContext, StepContext, StepEvent, TaskFacts,
};
use tokio_util::sync::CancellationToken;

use crate::registry;

/// Builds the context of one attempt.
pub(crate) struct Step(StepEvent);

impl Step {
    pub(crate) fn new(step_name: &str) -> Self {
        let task = TaskFacts {
            task_id: 1,
            namespace: "test".into(),
            name: "test".into(),
            version: "1.0.0".into(),
            context: Value::Null,
            correlation_id: None,
            traceparent: None,
            saved_context: SavedContext::default(),
        };
        Self(StepEvent {
            execution: ExecutionId {
                step_id: 1,
                attempt: 1,
                message_id: 1,
                lease_token: 1,
            },
            task: Arc::new(task),
            step_name: step_name.into(),
            handler_class: String::new(),
            config: Arc::new(Value::Null),
            inputs: Value::Null,
            parents: BTreeMap::new(),
            previous_results: Value::Null,
            retry_limit: 3,
            retryable: true,
            timeout: Duration::from_secs(30),
            cancelled: CancellationToken::new(),
            progress: ProgressSlot::default(),
        })
    }

    pub(crate) fn task_id(mut self, task_id: i64) -> Self {
        Arc::make_mut(&mut self.0.task).task_id = task_id;
        self
    }

    pub(crate) fn context(mut self, context: Value) -> Self {
        self.0.inputs = context.clone();
        Arc::make_mut(&mut self.0.task).context = context;
        self
    }

    pub(crate) fn config(mut self, config: Value) -> Self {
        self.0.config = Arc::new(config);
        self
    }

    pub(crate) fn parent(mut self, name: &str, results: Value) -> Self {
        self.0.parents.insert(name.into(), Arc::new(results));
        self
    }

    pub(crate) fn attempt(mut self, attempt: i32) -> Self {
        self.0.execution.attempt = attempt;
        self
    }

    pub(crate) fn cancelled(self) -> Self {
        self.0.cancelled.cancel();
        self
    }

    pub(crate) fn build(self) -> StepContext {
        StepContext::new(self.0)
    }

    /// Runs the registered handler of this class.
    pub(crate) async fn run(self, handler_class: &str) -> Result<Value, StepError> {
        let handler = registry().get(handler_class).expect("registered");
        handler.call(&self.build()).await
    }
}
