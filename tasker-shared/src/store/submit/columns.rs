//! Prepared tasks as the arrays that submit.sql takes, the fields in its order.

use chrono::NaiveDateTime;
use serde_json::{json, Value};

use super::NewTask;

/// The arrays of submit.sql with an element for each task.
#[derive(Default)]
pub(super) struct TaskColumns<'a> {
    pub(super) named: Vec<i32>,
    pub(super) requested: Vec<NaiveDateTime>,
    pub(super) initiators: Vec<&'a str>,
    pub(super) sources: Vec<&'a str>,
    pub(super) reasons: Vec<&'a str>,
    pub(super) tags: Vec<Value>,
    pub(super) contexts: Vec<&'a Value>,
    pub(super) identities: Vec<&'a str>,
    pub(super) definitions: Vec<i64>,
    pub(super) priorities: Vec<i32>,
    pub(super) roots: Vec<i32>,
    pub(super) steps: Vec<i32>,
    pub(super) keys: Vec<Option<&'a str>>,
    pub(super) correlations: Vec<&'a str>,
    pub(super) traces: Vec<Option<&'a str>>,
    pub(super) bypassed: Vec<String>,
}

impl<'a> TaskColumns<'a> {
    pub(super) fn of(batch: &[&'a NewTask]) -> Self {
        let mut columns = Self::default();
        for task in batch {
            let definition = &task.definition;
            columns.named.push(definition.named_task_id);
            columns.requested.push(task.requested_at.naive_utc());
            columns.initiators.push(&task.initiator);
            columns.sources.push(&task.source_system);
            columns.reasons.push(&task.reason);
            columns.tags.push(json!(task.tags));
            columns.contexts.push(&task.context);
            columns.identities.push(&task.identity_hash);
            columns.definitions.push(definition.definition_id);
            columns.priorities.push(task.priority);
            columns.roots.push(definition.graph.roots().count() as i32);
            columns.steps.push(definition.template.steps.len() as i32);
            columns.keys.push(task.idempotency_key.as_deref());
            columns.correlations.push(&task.correlation_id);
            columns.traces.push(task.traceparent.as_deref());
            columns.bypassed.push(json!(task.bypass_steps).to_string());
        }
        columns
    }
}

/// The arrays of submit.sql with an element for each step or edge. Tasks and steps
/// are named by their numbers in the batch: ids are given by the statement.
#[derive(Default)]
pub(super) struct StepColumns {
    pub(super) tasks: Vec<i32>,
    pub(super) named: Vec<i32>,
    pub(super) retryable: Vec<bool>,
    pub(super) limits: Vec<i32>,
    pub(super) skippable: Vec<bool>,
    pub(super) parents: Vec<i32>,
    pub(super) edges_from: Vec<i32>,
    pub(super) edges_to: Vec<i32>,
}

impl StepColumns {
    pub(super) fn of(batch: &[&NewTask]) -> Self {
        let mut columns = Self::default();
        for (task, number) in batch.iter().zip(1..) {
            let definition = &task.definition;
            let first = columns.tasks.len() as i32 + 1;
            for (position, step) in definition.template.steps.iter().enumerate() {
                let parents = definition.graph.parents(position);
                columns.tasks.push(number);
                columns.named.push(definition.named_step_ids[position]);
                columns.retryable.push(step.retryable);
                columns.limits.push(step.retry_limit);
                columns.skippable.push(step.skippable);
                columns.parents.push(parents.len() as i32);
                for parent in parents {
                    columns.edges_from.push(first + *parent as i32);
                    columns.edges_to.push(first + position as i32);
                }
            }
        }
        columns
    }
}
