//! From transitions to events: which, and in what order.

use std::collections::HashMap;

use serde_json::{json, Value};

use super::payload::{self, Counts, Payload};
use super::rounds::{Ended, Round, Rounds};
use super::rows::{Entry, StepRow, TaskRow};
use super::wanted::{self as is, Wanted};
use crate::domain::State;
use crate::store::Definition;

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The same at every delivery, and of no other event: made of the transition that
    /// the event tells of.
    pub id: String,
    pub identifier: &'static str,
    pub task_id: i64,
    pub namespace: String,
    pub task_name: String,
    pub task_version: String,
    /// A JSON object.
    pub payload: Value,
}

/// Failures that no worker has told of: it vanished, or gave the handler up.
const WITHOUT_WORKER: [&str; 2] = ["lost", "timeout"];

/// A failure that is no attempt's.
const LIMIT_LOWERED: &str = "Tasker::RetryLimitLowered";

/// Makes the events of one transition.
pub(super) struct Teller<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) definition: &'a Definition,
    /// None if no event wanted speaks of rounds.
    pub(super) rounds: Option<&'a Rounds>,
    /// What is known of the failed steps, by task.
    pub(super) errors: &'a HashMap<i64, Vec<Value>>,
    /// Of the transition: what the ids of its events begin with.
    pub(super) mark: String,
    pub(super) task_id: i64,
    pub(super) told: &'a mut Vec<Event>,
}

impl Teller<'_> {
    pub(super) fn tell(&mut self, entry: &Entry) {
        match entry {
            Entry::Task(row) if row.is_creation() => self.creation(row),
            Entry::Task(row) if row.is_end() => self.end(row),
            Entry::Task(row) => self.start(row),
            Entry::Step(row) => self.step(row),
        }
    }

    fn event(&mut self, identifier: &'static str, payload: impl FnOnce(&Self) -> Payload) {
        let id = format!("{}.{identifier}", self.mark);
        self.event_of(id, identifier, payload);
    }

    fn event_of(
        &mut self,
        id: String,
        identifier: &'static str,
        payload: impl FnOnce(&Self) -> Payload,
    ) {
        if !self.wanted.has(identifier) {
            return;
        }
        let template = &self.definition.template;
        let payload = Value::Object(payload(self));
        self.told.push(Event {
            id,
            identifier,
            task_id: self.task_id,
            namespace: template.namespace.to_string(),
            task_name: template.name.to_string(),
            task_version: template.version.to_string(),
            payload,
        });
    }

    /// One transition stands for the creation of the task and for the start of its run.
    fn creation(&mut self, row: &TaskRow) {
        let id = format!("{}.created.{}", self.mark, is::TASK_START_REQUESTED);
        self.event_of(id, is::TASK_START_REQUESTED, |told| {
            let mut payload = payload::task_with_context(row, told.definition, "started");
            let steps = Counts::of(row, told.definition).total();
            payload.insert("step_count".into(), json!(steps));
            payload
        });
        self.event(is::TASK_ENQUEUE, |told| {
            payload::task_with_context(row, told.definition, "enqueue")
        });
        self.start(row);
        self.round_begins(0, row.at);
    }

    fn start(&mut self, row: &TaskRow) {
        if row.to == State::Pending {
            self.transition(row, is::TASK_RETRY_REQUESTED, |told| {
                let mut payload = payload::task(row, told.definition, "retry");
                let reason = row.metadata["reason"].as_str();
                let reason = reason.unwrap_or("Task retry requested");
                payload.insert("retry_reason".into(), json!(reason));
                payload
            });
            return;
        }
        self.transition(row, is::TASK_START_REQUESTED, |told| {
            payload::task_with_context(row, told.definition, "started")
        });
        self.event(is::STARTED, |_| {
            let mut payload = payload::orchestration(is::STARTED, row.task_id, row.at);
            payload.insert("correlation_id".into(), json!(row.correlation_id));
            payload
        });
    }

    /// The event before a transition and the one of it.
    fn transition(
        &mut self,
        row: &TaskRow,
        identifier: &'static str,
        about: impl FnOnce(&Self) -> Payload,
    ) {
        self.event(is::TASK_BEFORE_TRANSITION, |_| {
            payload::before_transition(row, identifier)
        });
        self.event(identifier, |told| {
            let mut payload = about(told);
            payload.append(&mut payload::transition(row));
            payload
        });
    }

    fn end(&mut self, row: &TaskRow) {
        let ends = row.is_finalization();
        if ends && row.to != State::Error {
            self.event(is::NO_VIABLE_STEPS, |told| {
                let mut payload = payload::orchestration(is::NO_VIABLE_STEPS, row.task_id, row.at);
                let steps = Counts::of(row, told.definition).total();
                payload.insert("reason".into(), json!("No steps ready for execution"));
                payload.insert("total_steps_checked".into(), json!(steps));
                payload
            });
        }
        if ends {
            self.event(is::FINALIZATION_STARTED, |told| {
                finalization(is::FINALIZATION_STARTED, row, told.definition)
            });
        }
        match row.to {
            State::Complete => self.transition(row, is::TASK_COMPLETED, |told| {
                let mut payload = payload::task_with_context(row, told.definition, "completed");
                payload.append(&mut payload::health(row, told.definition));
                payload
            }),
            State::Error => self.transition(row, is::TASK_FAILED, |told| {
                let mut payload = payload::task_with_context(row, told.definition, "failed");
                let errors = told.errors.get(&row.task_id).map_or(&[][..], Vec::as_slice);
                payload.append(&mut payload::errors(errors));
                payload.append(&mut payload::health(row, told.definition));
                payload
            }),
            State::ResolvedManually => self.bare(row, is::TASK_RESOLVED_MANUALLY),
            _ => self.bare(row, is::TASK_CANCELLED),
        }
        if ends {
            self.event(is::FINALIZATION_COMPLETED, |told| {
                let mut payload = finalization(is::FINALIZATION_COMPLETED, row, told.definition);
                payload.insert("final_status".into(), json!(row.to));
                payload
            });
        }
    }

    fn bare(&mut self, row: &TaskRow, identifier: &'static str) {
        self.transition(row, identifier, |told| {
            payload::bare_transition(row, told.definition)
        });
    }

    fn step(&mut self, row: &StepRow) {
        match row.to {
            State::Error => self.failed(row),
            State::Cancelled => self.event(is::STEP_CANCELLED, |told| {
                let mut payload = payload::step(row, told.definition, "cancelled");
                if let Some(reason) = row.metadata["reason"].as_str() {
                    payload.insert("cancellation_reason".into(), json!(reason));
                }
                payload
            }),
            State::ResolvedManually => self.event(is::STEP_RESOLVED_MANUALLY, |told| {
                payload::step(row, told.definition, "resolved_manually")
            }),
            // On the way to being cancelled it is not asked to run again.
            State::Pending if row.metadata["action"] != "cancel" => self.retried(row),
            _ => {}
        }
        self.round_ends(row);
        if row.to == State::Error {
            self.comes_back(row);
        }
        self.round_begins(row.id, row.at);
    }

    /// A failure that its worker has published itself is not told twice.
    fn failed(&mut self, row: &StepRow) {
        let Some(failure) = &row.failure else { return };
        let alone = WITHOUT_WORKER.contains(&failure.kind.as_str());
        if alone || failure.error["error_class"] == LIMIT_LOWERED {
            self.event(is::STEP_FAILED, |told| {
                let mut payload = payload::step(row, told.definition, "failed");
                payload.append(&mut payload::failure(row, failure));
                payload
            });
        }
    }

    fn retried(&mut self, row: &StepRow) {
        self.event(is::STEP_RETRY_REQUESTED, |told| {
            let mut payload = payload::step(row, told.definition, "retry");
            let reason = row.metadata["reason"].as_str();
            let reason = reason.unwrap_or("Step execution failed");
            payload.insert("previous_attempts".into(), json!(row.attempts));
            payload.insert("retry_reason".into(), json!(reason));
            let policy = told.definition.retry_policy(row.named_step_id);
            payload.insert("backoff_strategy".into(), json!(policy.backoff));
            payload
        });
    }

    /// The task waits for the next attempt of a step, or has it at once.
    fn comes_back(&mut self, row: &StepRow) {
        let Some(due_at) = row.due_at else { return };
        let lost = row
            .failure
            .as_ref()
            .is_some_and(|failure| failure.kind == "lost");
        let reason = if lost {
            "pending_steps_remaining"
        } else {
            "retry_backoff"
        };
        let about = |told: &Self, identifier: &str| {
            let mut payload = payload::orchestration(identifier, row.task_id, row.at);
            payload.append(&mut payload::reenqueue(told.definition, reason));
            payload
        };
        self.event(is::REENQUEUE_STARTED, |told| {
            let mut payload = about(told, is::REENQUEUE_STARTED);
            payload.insert("current_status".into(), json!(State::InProgress));
            payload
        });
        if lost {
            self.event(is::REENQUEUE_REQUESTED, |told| {
                about(told, is::REENQUEUE_REQUESTED)
            });
        } else {
            self.event(is::REENQUEUE_DELAYED, |told| {
                let mut payload = about(told, is::REENQUEUE_DELAYED);
                payload.append(&mut payload::delay(row, due_at));
                payload
            });
        }
    }

    fn round_begins(&mut self, anchor: i64, at: chrono::NaiveDateTime) {
        let Some(round) = self.rounds.and_then(|rounds| rounds.begun.get(&anchor)) else {
            return;
        };
        let task_id = self.task_id;
        self.event(is::VIABLE_STEPS, |told| {
            let mut payload = payload::orchestration(is::VIABLE_STEPS, task_id, at);
            payload.append(&mut viable(round, told.definition));
            payload
        });
        self.event(is::STEPS_STARTED, |told| {
            let mut payload = payload::orchestration(is::STEPS_STARTED, task_id, at);
            payload.insert(
                "task_name".into(),
                json!(told.definition.template.name.as_str()),
            );
            payload.insert("step_count".into(), json!(round.steps.len()));
            payload.insert("processing_mode".into(), json!("concurrent"));
            payload
        });
    }

    fn round_ends(&mut self, row: &StepRow) {
        let ended = self.rounds.and_then(|rounds| rounds.ended.get(&row.id));
        let Some(Ended {
            processed,
            successful,
        }) = ended.copied()
        else {
            return;
        };
        self.event(is::STEPS_COMPLETED, |told| {
            let mut payload = payload::orchestration(is::STEPS_COMPLETED, row.task_id, row.at);
            payload.insert(
                "task_name".into(),
                json!(told.definition.template.name.as_str()),
            );
            payload.insert("processed_count".into(), json!(processed));
            payload.insert("successful_count".into(), json!(successful));
            payload
        });
    }
}

fn finalization(identifier: &str, row: &TaskRow, definition: &Definition) -> Payload {
    let mut payload = payload::orchestration(identifier, row.task_id, row.at);
    payload.append(&mut payload::finalization(row, definition));
    payload
}

fn viable(round: &Round, definition: &Definition) -> Payload {
    let names = round.steps.iter();
    let names: Vec<&str> = names
        .map(|step| definition.template.steps[*step].name.as_str())
        .collect();
    let mut payload = Payload::new();
    payload.insert("step_ids".into(), json!(round.step_ids));
    payload.insert("step_count".into(), json!(names.len()));
    payload.insert("processing_mode".into(), json!("concurrent"));
    payload.insert("viable_count".into(), json!(names.len()));
    payload.insert("step_names".into(), json!(names));
    payload
}
