//! The start of an attempt: a step comes in hand and its event goes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tasker_shared::domain::{Namespace, Outcome};
use tasker_shared::store::{Attempt, Definition};
use tokio_util::sync::CancellationToken;

use crate::running::{Room, Running};
use crate::seam::{Completion, ExecutionId, ProgressSlot, StepEvent, TaskFacts};
use crate::service::Shared;

/// For what only waits here: a time that never passes.
const NO_LIMIT: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What a step begins with.
pub(crate) struct Start {
    pub(crate) attempt: Attempt,
    pub(crate) inputs: Value,
    pub(crate) previous_results: Value,
    /// Results of the step's parents by step name.
    pub(crate) parents: BTreeMap<String, Arc<Value>>,
    pub(crate) facts: Arc<TaskFacts>,
}

impl Start {
    /// Puts the step in hand and makes its event.
    pub(crate) fn event(
        self,
        shared: &Shared,
        definition: &Definition,
        namespace: &Namespace,
        room: Room,
    ) -> StepEvent {
        let attempt = self.attempt;
        let template = definition.step(attempt.named_step_id);
        let timeout = template
            .and_then(|t| t.timeout_ms)
            .map_or(shared.options.default_timeout, Duration::from_millis);
        let event = StepEvent {
            execution: execution_of(&attempt),
            task: self.facts.clone(),
            step_name: template.map(|t| t.name.to_string()).unwrap_or_default(),
            handler_class: template
                .map(|t| t.handler_class.clone())
                .unwrap_or_default(),
            config: Arc::new(
                template
                    .and_then(|t| t.handler_config.clone())
                    .unwrap_or(Value::Null),
            ),
            inputs: self.inputs,
            parents: self.parents,
            previous_results: self.previous_results,
            retry_limit: attempt.retry_limit,
            retryable: attempt.retryable,
            timeout,
            cancelled: CancellationToken::new(),
            progress: ProgressSlot::default(),
        };
        let started = Instant::now();
        let limit = if shared.dispatch.hands_on() {
            NO_LIMIT
        } else {
            timeout
        };
        shared.in_hand.add(
            event.execution,
            Running {
                attempt,
                namespace: namespace.clone(),
                facts: Some(self.facts),
                cancelled: event.cancelled.clone(),
                progress: event.progress.clone(),
                started,
                deadline: started + limit,
                answered: false,
                room,
            },
        );
        event
    }
}

/// Gives events to the dispatcher; those it has no handler for are answered here.
pub(crate) fn hand_out(shared: &Shared, events: Vec<StepEvent>) {
    let (events, homeless): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| shared.dispatch.has_handler(&event.handler_class));
    if !homeless.is_empty() {
        let completions = homeless.into_iter().map(|event| Completion {
            execution: event.execution,
            outcome: Outcome::NoHandler {
                handler_class: event.handler_class,
            },
        });
        shared.sink.complete(completions.collect());
    }
    if !events.is_empty() {
        shared.dispatch.dispatch(events, &shared.sink);
    }
}

pub(crate) fn execution_of(attempt: &Attempt) -> ExecutionId {
    ExecutionId {
        step_id: attempt.step_id,
        attempt: attempt.attempt,
        message_id: attempt.message_id,
        lease_token: attempt.lease_token,
    }
}
