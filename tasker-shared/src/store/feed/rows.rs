//! Transitions as a look reads them, and the order in which they happened.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::State;

/// A transition of a task.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TaskRow {
    #[serde(skip)]
    pub(super) id: i64,
    pub(super) task_id: i64,
    pub(super) from: Option<State>,
    pub(super) to: State,
    pub(super) metadata: Value,
    pub(super) at: NaiveDateTime,
    pub(super) definition_id: i64,
    pub(super) correlation_id: Option<String>,
    pub(super) unfinished: i64,
    pub(super) failed: i64,
    pub(super) created_at: NaiveDateTime,
    pub(super) context: Value,
}

impl TaskRow {
    /// The first transition, written with the task itself.
    pub(super) fn is_creation(&self) -> bool {
        self.to == State::InProgress && !self.metadata["step_dependencies_established"].is_null()
    }

    /// Nothing of the task runs any more.
    pub(super) fn is_end(&self) -> bool {
        self.to.is_final()
    }

    /// It was running until now: the Rails engine's corrections of a task that had ended
    /// end nothing.
    pub(super) fn is_finalization(&self) -> bool {
        self.is_end() && !self.from.is_some_and(State::is_final)
    }
}

/// A transition of a step.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StepRow {
    #[serde(skip)]
    pub(super) id: i64,
    pub(super) task_id: i64,
    pub(super) step_id: i64,
    pub(super) named_step_id: i32,
    pub(super) from: Option<State>,
    pub(super) to: State,
    pub(super) metadata: Value,
    pub(super) at: NaiveDateTime,
    pub(super) definition_id: i64,
    pub(super) attempts: Option<i64>,
    pub(super) retry_limit: Option<i64>,
    pub(super) started_at: Option<NaiveDateTime>,
    pub(super) processed_at: Option<NaiveDateTime>,
    pub(super) results: Value,
    pub(super) failure: Option<Failure>,
    pub(super) due_at: Option<NaiveDateTime>,
}

/// What is stored of a failed attempt.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: String,
    pub(super) attempt: i64,
    pub(super) error: Value,
}

/// A transition of either.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Task(TaskRow),
    Step(StepRow),
}

impl Entry {
    pub(super) fn task_id(&self) -> i64 {
        match self {
            Self::Task(row) => row.task_id,
            Self::Step(row) => row.task_id,
        }
    }

    pub(super) fn definition_id(&self) -> i64 {
        match self {
            Self::Task(row) => row.definition_id,
            Self::Step(row) => row.definition_id,
        }
    }

    fn at(&self) -> NaiveDateTime {
        match self {
            Self::Task(row) => row.at,
            Self::Step(row) => row.at,
        }
    }
}

/// Both kinds in one order, given each in the order of its ids.
///
/// Changes of one task happen under its lock and draw their ids there, so of either kind
/// the ids have the right order. Between the kinds the time decides. It is that of the
/// statement, taken before the lock was: a statement that had to wait may have an earlier
/// one than what it comes after. But the end of a task has the very time of the step that
/// brought it, which is in the same statement.
pub(super) fn merged(tasks: Vec<TaskRow>, steps: Vec<StepRow>) -> Vec<Entry> {
    let mut of_task: BTreeMap<i64, (Vec<TaskRow>, Vec<StepRow>)> = BTreeMap::new();
    for row in tasks {
        of_task.entry(row.task_id).or_default().0.push(row);
    }
    for row in steps {
        of_task.entry(row.task_id).or_default().1.push(row);
    }
    let mut timed = Vec::new();
    for (tasks, steps) in of_task.into_values() {
        let mut latest = NaiveDateTime::MIN;
        for entry in in_order(tasks, steps) {
            latest = latest.max(entry.at());
            timed.push((latest, entry));
        }
    }
    // Stable, and the time of a task's entries never goes back.
    timed.sort_by_key(|(at, _)| *at);
    timed.into_iter().map(|(_, entry)| entry).collect()
}

/// Of one task.
fn in_order(tasks: Vec<TaskRow>, steps: Vec<StepRow>) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(tasks.len() + steps.len());
    let mut taken = 0;
    for task in tasks {
        let rest = &steps[taken..];
        let before = match rest.iter().rposition(|step| step.at == task.at) {
            Some(last) => last + 1,
            None => rest.iter().take_while(|step| step.at <= task.at).count(),
        };
        if !task.is_creation() {
            entries.extend(rest[..before].iter().cloned().map(Entry::Step));
            taken += before;
        }
        entries.push(Entry::Task(task));
    }
    entries.extend(steps.into_iter().skip(taken).map(Entry::Step));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FIRST: &str = r#"{"step_dependencies_established": 2}"#;

    fn time(second: u32) -> Value {
        json!(format!("2024-01-01T00:00:{second:02}.000001"))
    }

    fn task(id: i64, task_id: i64, to: &str, at: u32, metadata: &str) -> TaskRow {
        let metadata: Value = serde_json::from_str(metadata).unwrap();
        let facts = json!({
            "task_id": task_id, "from": null, "to": to, "metadata": metadata, "at": time(at), "definition_id": 1,
            "correlation_id": null, "unfinished": 0, "failed": 0, "created_at": time(0), "context": null
        });
        let row: TaskRow = serde_json::from_value(facts).unwrap();
        TaskRow { id, ..row }
    }

    fn step(id: i64, task_id: i64, at: u32) -> StepRow {
        let facts = json!({
            "task_id": task_id, "step_id": 1, "named_step_id": 1, "from": "in_progress", "to": "complete",
            "metadata": {}, "at": time(at), "definition_id": 1, "attempts": 1, "retry_limit": 3,
            "started_at": null, "processed_at": null, "results": null, "failure": null, "due_at": null
        });
        let row: StepRow = serde_json::from_value(facts).unwrap();
        StepRow { id, ..row }
    }

    /// Task transitions as negative ids, those of steps as they are.
    fn ids(entries: &[Entry]) -> Vec<i64> {
        let id = |entry: &Entry| match entry {
            Entry::Task(row) => -row.id,
            Entry::Step(row) => row.id,
        };
        entries.iter().map(id).collect()
    }

    #[test]
    fn a_task_begins_before_its_steps_and_ends_after_them() {
        let tasks = vec![
            task(1, 7, "in_progress", 9, FIRST),
            task(2, 7, "complete", 9, "{}"),
        ];
        let steps = vec![step(4, 7, 9), step(5, 7, 9)];
        assert_eq!(ids(&merged(tasks, steps)), [-1, 4, 5, -2]);
    }

    #[test]
    fn the_end_comes_after_a_step_whose_statement_waited_less() {
        // The statement of step 5 began at 20, before that of step 4, and got the lock after it.
        let tasks = vec![task(2, 7, "error", 20, "{}")];
        let steps = vec![step(4, 7, 21), step(5, 7, 20)];
        assert_eq!(ids(&merged(tasks, steps)), [4, 5, -2]);
    }

    #[test]
    fn a_task_that_was_revived_has_its_new_steps_behind_its_new_start() {
        let tasks = vec![
            task(2, 7, "error", 10, "{}"),
            task(3, 7, "pending", 20, "{}"),
            task(4, 7, "in_progress", 21, "{}"),
            task(5, 7, "complete", 30, "{}"),
        ];
        let steps = vec![step(4, 7, 10), step(5, 7, 22), step(6, 7, 30)];
        assert_eq!(ids(&merged(tasks, steps)), [4, -2, -3, -4, 5, 6, -5]);
    }

    #[test]
    fn tasks_run_side_by_side() {
        let tasks = vec![
            task(1, 7, "in_progress", 1, FIRST),
            task(2, 8, "in_progress", 2, FIRST),
        ];
        let steps = vec![step(4, 7, 3), step(5, 8, 4), step(6, 7, 5)];
        assert_eq!(ids(&merged(tasks, steps)), [-1, -2, 4, 5, 6]);
    }
}
