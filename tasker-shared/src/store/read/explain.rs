//! Explanations: for each step that neither runs nor is done, exactly why.

use sqlx::Row;

use super::standing::{Standing, StepRow};
use crate::domain::State;
use crate::store::{Store, StoreError};
use crate::wire::{Explanation, StepExplanation, StepPhase};

/// Seconds after which a worker that has not refreshed its row counts as gone.
const WORKER_GONE_SECONDS: i32 = 60;

/// Why the steps of a task stand where they stand; `None` without such a task.
///
/// # Errors
/// As for any statement.
pub async fn explain(store: &Store, task_id: i64) -> Result<Option<Explanation>, StoreError> {
    let Some(standing) = Standing::load(store, task_id).await? else {
        return Ok(None);
    };
    let workers = Workers::load(store, &standing).await?;
    let phases = standing.phases();
    let mut steps = Vec::new();
    for (index, step) in standing.steps.iter().enumerate() {
        let done = step.state.satisfies_children() || step.state == State::Cancelled;
        if done || phases[index] == StepPhase::Running {
            continue;
        }
        steps.push(explain_step(&standing, &workers, &phases, index));
    }
    Ok(Some(Explanation {
        task_id,
        state: standing.task_state,
        summary: summary(&standing, &phases),
        steps,
    }))
}

/// Live workers, as far as they matter to one task.
struct Workers {
    namespace: Option<String>,
    /// Handlers of the live workers that serve the task's namespace; `None` if
    /// there is no such worker.
    handlers: Option<Vec<String>>,
}

impl Workers {
    async fn load(store: &Store, standing: &Standing) -> Result<Self, StoreError> {
        let Some(definition) = &standing.definition else {
            return Ok(Self {
                namespace: None,
                handlers: None,
            });
        };
        let namespace = definition.namespace().to_string();
        let row = sqlx::query(
            "SELECT count(DISTINCT w.worker_id) AS workers,
                    COALESCE(array_agg(DISTINCT h) FILTER (WHERE h IS NOT NULL), '{}') AS handlers
               FROM tasker.workers w LEFT JOIN LATERAL unnest(w.handlers) h ON true
              WHERE $1 = ANY (w.namespaces)
                AND w.seen_at > (clock_timestamp() AT TIME ZONE 'UTC') - $2 * interval '1 second'",
        )
        .bind(&namespace)
        .bind(WORKER_GONE_SECONDS)
        .fetch_one(store.pool())
        .await?;
        let workers: i64 = row.try_get("workers")?;
        let handlers = row.try_get("handlers")?;
        Ok(Self {
            namespace: Some(namespace),
            handlers: (workers > 0).then_some(handlers),
        })
    }

    /// What keeps a step of this handler from being taken, if anything does.
    fn obstacle(&self, handler_class: Option<&str>) -> Option<(String, String)> {
        let namespace = self.namespace.as_deref().unwrap_or("?");
        let handler = handler_class.unwrap_or("?");
        match &self.handlers {
            None => Some((
                format!("no live worker serves namespace {namespace}"),
                format!("start a worker that has the handler {handler}; if its worker.namespaces are set, {namespace} must be one of them"),
            )),
            Some(handlers) if !handlers.iter().any(|h| h == handler) => Some((
                format!("no live worker of namespace {namespace} has a handler {handler}"),
                format!("register {handler} in a worker that serves namespace {namespace}"),
            )),
            Some(_) => None,
        }
    }
}

fn explain_step(
    standing: &Standing,
    workers: &Workers,
    phases: &[StepPhase],
    index: usize,
) -> StepExplanation {
    let step = &standing.steps[index];
    let unmet = || {
        standing.parents[index]
            .iter()
            .filter(|p| !standing.steps[**p].state.satisfies_children())
    };
    let mut waiting_on: Vec<String> = Vec::new();
    let (reason, remedy) = match phases[index] {
        StepPhase::WaitingForParents => {
            waiting_on = unmet().map(|p| standing.steps[*p].name.clone()).collect();
            let total = standing.parents[index].len();
            (
                format!(
                    "waits for {} of its {total} parent(s) to finish",
                    waiting_on.len()
                ),
                None,
            )
        }
        StepPhase::Blocked => {
            waiting_on = culprits(standing, phases, index);
            (
                format!("cannot run: {} did not succeed", waiting_on.join(", ")),
                Some("retry or resolve the step(s) it waits on".to_owned()),
            )
        }
        StepPhase::Enqueued => enqueued(standing, workers, step),
        StepPhase::BackingOff => backing_off(step),
        StepPhase::NoHandler => no_handler(workers, step),
        StepPhase::External => ("the Rails engine drives this task".to_owned(), None),
        StepPhase::Finished | StepPhase::Running => failed(step),
    };
    StepExplanation {
        step_id: step.step_id,
        name: step.name.clone(),
        state: step.state,
        phase: phases[index],
        reason,
        waiting_on,
        remedy,
    }
}

fn enqueued(standing: &Standing, workers: &Workers, step: &StepRow) -> (String, Option<String>) {
    match workers.obstacle(standing.handler_class(step)) {
        Some((obstacle, remedy)) => (
            format!("is ready and in the queue, but {obstacle}"),
            Some(remedy),
        ),
        None => (
            "is ready and in the queue; a worker will take it".to_owned(),
            None,
        ),
    }
}

fn backing_off(step: &StepRow) -> (String, Option<String>) {
    let due = step
        .due_at
        .map_or_else(|| "soon".to_owned(), |at| at.to_rfc3339());
    (
        format!(
            "attempt {} of {} failed ({}); the next one is due at {due}",
            step.attempts,
            step.retry_limit,
            last_error(step)
        ),
        Some("retry the step to run it at once".to_owned()),
    )
}

fn no_handler(workers: &Workers, step: &StepRow) -> (String, Option<String>) {
    let handler = step.delay_detail.as_deref();
    let named = handler.unwrap_or("?");
    match workers.obstacle(handler) {
        Some((obstacle, remedy)) => (format!("a worker took it and had no handler {named}; {obstacle}"), Some(remedy)),
        None => (format!("a worker took it and had no handler {named}; another has, and will get it within seconds"), None),
    }
}

fn failed(step: &StepRow) -> (String, Option<String>) {
    let left = if step.attempts < step.retry_limit && step.retryable {
        "the error was permanent"
    } else if step.retryable {
        "no attempt is left"
    } else {
        "the step is not retryable"
    };
    (
        format!(
            "failed in attempt {} of {}: {}; {left}",
            step.attempts,
            step.retry_limit,
            last_error(step)
        ),
        Some("retry it, or resolve it by hand with a result".to_owned()),
    )
}

fn last_error(step: &StepRow) -> String {
    let text = |key: &str| step.results.get(key).and_then(|v| v.as_str());
    match (text("error_class"), text("error")) {
        (Some(class), Some(message)) => format!("{class}: {message}"),
        (_, Some(message)) => message.to_owned(),
        _ => "no error was recorded".to_owned(),
    }
}

/// The nearest ancestors that are over without having succeeded.
fn culprits(standing: &Standing, phases: &[StepPhase], index: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = vec![false; standing.steps.len()];
    let mut open = standing.parents[index].clone();
    while let Some(step) = open.pop() {
        if std::mem::replace(&mut seen[step], true) {
            continue;
        }
        match phases[step] {
            StepPhase::Finished if !standing.steps[step].state.satisfies_children() => {
                found.push(standing.steps[step].name.clone());
            }
            StepPhase::Blocked => open.extend(&standing.parents[step]),
            _ => {}
        }
    }
    found.sort();
    found
}

fn summary(standing: &Standing, phases: &[StepPhase]) -> String {
    let count = |wanted: StepPhase| phases.iter().filter(|p| **p == wanted).count();
    let done = standing
        .steps
        .iter()
        .filter(|s| s.state.satisfies_children())
        .count();
    let failed = phases
        .iter()
        .zip(&standing.steps)
        .filter(|(phase, step)| **phase == StepPhase::Finished && step.state == State::Error)
        .count();
    let mut parts = vec![format!("{done} of {} steps done", standing.steps.len())];
    let counted = [
        (count(StepPhase::Running), "running"),
        (count(StepPhase::Enqueued), "in the queue"),
        (count(StepPhase::BackingOff), "waiting to be retried"),
        (count(StepPhase::NoHandler), "without a handler"),
        (failed, "failed"),
        (count(StepPhase::Blocked), "blocked"),
        (count(StepPhase::WaitingForParents), "waiting for parents"),
    ];
    parts.extend(
        counted
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}")),
    );
    format!("The task is {}: {}.", standing.task_state, parts.join(", "))
}
