//! What events carry: the keys of the Rails engine, of all its variants of an event at
//! once where it has several. Counts are those of the moment at which the event is read.

use chrono::{NaiveDateTime, SecondsFormat};
use serde_json::{json, Map, Value};

use super::rows::{Failure, StepRow, TaskRow};
use crate::domain::State;
use crate::store::Definition;

pub(super) type Payload = Map<String, Value>;

/// As Rails writes times in payloads it builds.
fn seconds(at: NaiveDateTime) -> Value {
    json!(at.and_utc().to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// For times that receivers may want to subtract.
fn exact(at: NaiveDateTime) -> Value {
    json!(at.and_utc().to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn seconds_between(from: NaiveDateTime, to: NaiveDateTime) -> f64 {
    ((to - from).num_milliseconds() as f64 / 1000.0).max(0.0)
}

fn object(value: Value) -> Payload {
    match value {
        Value::Object(fields) => fields,
        _ => Payload::new(),
    }
}

/// How many steps of a task are where.
pub(super) struct Counts {
    total: i64,
    completed: i64,
    failed: i64,
}

impl Counts {
    pub(super) fn of(row: &TaskRow, definition: &Definition) -> Self {
        let total = definition.template.steps.len() as i64;
        if row.is_creation() {
            return Self {
                total,
                completed: 0,
                failed: 0,
            };
        }
        Self {
            total,
            completed: total - row.unfinished,
            failed: row.failed,
        }
    }

    pub(super) fn total(&self) -> i64 {
        self.total
    }

    pub(super) fn processed(&self) -> i64 {
        self.completed + self.failed
    }

    fn percentage(&self) -> f64 {
        let share = self.completed as f64 / self.total.max(1) as f64;
        (share * 10_000.0).round() / 100.0
    }

    fn health(&self) -> &'static str {
        if self.failed == 0 {
            "healthy"
        } else {
            "blocked"
        }
    }
}

/// What every event about a whole task carries.
pub(super) fn task(row: &TaskRow, definition: &Definition, event_type: &str) -> Payload {
    let counts = Counts::of(row, definition);
    let complete = row.to == State::Complete;
    let lasted = seconds_between(row.created_at, row.at);
    object(json!({
        "task_id": row.task_id,
        "task_name": definition.template.name.as_str(),
        "started_at": seconds(row.created_at),
        "completed_at": complete.then(|| seconds(row.at)),
        "task_type": "Tasker::Task",
        "event_type": event_type,
        "timestamp": seconds(row.at),
        "total_execution_duration": complete.then_some(lasted),
        "current_execution_duration": (!complete).then_some(lasted),
        "total_steps": counts.total,
        "completed_steps": counts.completed,
        "failed_steps": counts.failed,
        "pending_steps": counts.total - counts.completed - counts.failed,
    }))
}

/// As [`task`], with the context.
pub(super) fn task_with_context(
    row: &TaskRow,
    definition: &Definition,
    event_type: &str,
) -> Payload {
    let mut payload = task(row, definition, event_type);
    payload.insert("task_context".into(), row.context.clone());
    payload
}

/// What a transition of a task carries beside that.
pub(super) fn transition(row: &TaskRow) -> Payload {
    object(json!({
        "from_state": row.from,
        "to_state": row.to,
        "transitioned_at": exact(row.at),
    }))
}

/// A cancelled or resolved task: the transition alone.
pub(super) fn bare_transition(row: &TaskRow, definition: &Definition) -> Payload {
    let mut payload = object(json!({
        "task_id": row.task_id,
        "task_name": definition.template.name.as_str(),
        "task_context": row.context,
        "timestamp": exact(row.at),
    }));
    payload.append(&mut transition(row));
    payload
}

pub(super) fn before_transition(row: &TaskRow, event: &str) -> Payload {
    object(json!({
        "task_id": row.task_id,
        "from_state": row.from,
        "to_state": row.to,
        "transition_event": event,
        "timestamp": exact(row.at),
    }))
}

/// What is found out at the end of a task.
pub(super) fn health(row: &TaskRow, definition: &Definition) -> Payload {
    let counts = Counts::of(row, definition);
    object(json!({
        "completion_percentage": counts.percentage(),
        "health_status": counts.health(),
    }))
}

/// Of a task that failed: which steps stopped it.
pub(super) fn errors(steps: &[Value]) -> Payload {
    let first = steps.first().map(|step| {
        let text = |key: &str| step[key].as_str().unwrap_or("unknown").to_owned();
        format!("step {} failed: {}", text("step_name"), text("error"))
    });
    object(json!({
        "error_message": first.unwrap_or_else(|| "Task execution failed".to_owned()),
        "error_steps": steps,
        "failed_steps_count": steps.len(),
    }))
}

/// What every event about orchestration carries.
pub(super) fn orchestration(identifier: &str, task_id: i64, at: NaiveDateTime) -> Payload {
    let event_type = identifier.rsplit('.').next().unwrap_or(identifier);
    object(json!({
        "event_type": event_type,
        "orchestration_event": true,
        "timestamp": seconds(at),
        "task_id": task_id,
    }))
}

pub(super) fn finalization(row: &TaskRow, definition: &Definition) -> Payload {
    let counts = Counts::of(row, definition);
    let (status, action) = match row.to {
        State::Complete => ("all_complete", "finalize_task"),
        State::Error => ("blocked_by_failures", "handle_failures"),
        _ => ("waiting_for_dependencies", "wait_for_dependencies"),
    };
    object(json!({
        "processed_steps_count": counts.processed(),
        "execution_status": status,
        "health_status": counts.health(),
        "completion_percentage": counts.percentage(),
        "total_steps": counts.total,
        "ready_steps": 0,
        "failed_steps": counts.failed,
        "recommended_action": action,
    }))
}

/// What every event about a step carries, with its transition.
pub(super) fn step(row: &StepRow, definition: &Definition, event_type: &str) -> Payload {
    let name = definition
        .step(row.named_step_id)
        .map(|step| step.name.as_str());
    let attempt = row.failure.as_ref().map(|failure| failure.attempt);
    object(json!({
        "task_id": row.task_id,
        "step_id": row.step_id,
        "step_name": name,
        "started_at": row.started_at.map(seconds),
        "completed_at": row.processed_at.map(seconds),
        "attempt_number": attempt.or(row.attempts).unwrap_or(0),
        "retry_limit": row.retry_limit.unwrap_or(3),
        "event_type": event_type,
        "timestamp": seconds(row.at),
        "from_state": row.from,
        "to_state": row.to,
        "transitioned_at": exact(row.at),
    }))
}

pub(super) fn failure(row: &StepRow, failure: &Failure) -> Payload {
    let class = &failure.error["error_class"];
    let mut payload = object(json!({
        "error_message": failure.error["message"],
        "error_class": class,
        "exception_class": class,
        "backtrace": failure.error["backtrace"],
    }));
    if !row.results.is_null() {
        payload.insert("step_results".into(), row.results.clone());
    }
    payload
}

/// A retry that waits for its time.
pub(super) fn delay(row: &StepRow, due_at: NaiveDateTime) -> Payload {
    object(json!({
        "delay_seconds": seconds_between(row.at, due_at),
        "scheduled_for": exact(due_at),
    }))
}

/// What an event about the task's coming back to work carries.
pub(super) fn reenqueue(definition: &Definition, reason: &str) -> Payload {
    object(json!({
        "task_name": definition.template.name.as_str(),
        "reason": reason,
    }))
}
