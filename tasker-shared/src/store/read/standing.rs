//! Where every step of one task stands: rows read once, the rest derived.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row;

use super::{state_of, utc_or_none, IndexOf};
use crate::domain::State;
use crate::store::{Definition, Store, StoreError};
use crate::wire::StepPhase;

/// A step's row with its state and what it waits for.
pub(super) struct StepRow {
    pub(super) step_id: i64,
    pub(super) named_step_id: i32,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) attempts: i32,
    pub(super) retry_limit: i32,
    pub(super) retryable: bool,
    pub(super) in_process: bool,
    pub(super) processed: bool,
    pub(super) processed_at: Option<DateTime<Utc>>,
    pub(super) last_attempted_at: Option<DateTime<Utc>>,
    pub(super) results: Value,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) delay_reason: Option<String>,
    pub(super) delay_detail: Option<String>,
}

/// A task and its steps, in template order (creation order without a template).
pub(super) struct Standing {
    pub(super) task_id: i64,
    pub(super) task_name: String,
    pub(super) task_state: State,
    /// Absent for a task the Rails engine drives.
    pub(super) definition: Option<Arc<Definition>>,
    pub(super) steps: Vec<StepRow>,
    /// Indexes of each step's parents.
    pub(super) parents: Vec<Vec<usize>>,
    pub(super) index: IndexOf,
}

impl Standing {
    pub(super) async fn load(store: &Store, task_id: i64) -> Result<Option<Self>, StoreError> {
        let task = sqlx::query(
            "SELECT n.name, x.to_state, r.definition_id
               FROM tasker_tasks t
               JOIN tasker_named_tasks n USING (named_task_id)
               LEFT JOIN tasker_task_transitions x ON x.task_id = t.task_id AND x.most_recent
               LEFT JOIN tasker.task_runs r ON r.task_id = t.task_id
              WHERE t.task_id = $1",
        )
        .bind(task_id)
        .fetch_optional(store.pool())
        .await?;
        let Some(task) = task else {
            return Ok(None);
        };
        let definition = match task.try_get::<Option<i64>, _>("definition_id")? {
            Some(id) => Some(store.definition(id).await?),
            None => None,
        };
        let mut steps = load_steps(store, task_id).await?;
        if let Some(definition) = &definition {
            steps.sort_by_key(|s| definition.index_of(s.named_step_id).unwrap_or(usize::MAX));
        }
        let index: IndexOf = steps
            .iter()
            .enumerate()
            .map(|(i, s)| (s.step_id, i))
            .collect();
        let parents = load_parents(store, &steps, &index).await?;
        Ok(Some(Self {
            task_id,
            task_name: task.try_get("name")?,
            task_state: state_of(&task, "to_state")?,
            definition,
            steps,
            parents,
            index,
        }))
    }

    pub(super) fn handler_class(&self, step: &StepRow) -> Option<&str> {
        let definition = self.definition.as_deref()?;
        definition
            .step(step.named_step_id)
            .map(|s| s.handler_class.as_str())
    }

    /// Indexes in an order in which parents come before children.
    fn topological(&self) -> Vec<usize> {
        let mut children = vec![Vec::new(); self.steps.len()];
        let mut open: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        for (child, parents) in self.parents.iter().enumerate() {
            for parent in parents {
                children[*parent].push(child);
            }
        }
        let mut order: Vec<usize> = (0..self.steps.len()).filter(|i| open[*i] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for child in &children[order[next]] {
                open[*child] -= 1;
                if open[*child] == 0 {
                    order.push(*child);
                }
            }
            next += 1;
        }
        order
    }

    /// Longest distance of each step from one without parents.
    pub(super) fn levels(&self) -> Vec<u32> {
        let mut levels = vec![0; self.steps.len()];
        for step in self.topological() {
            levels[step] = self.parents[step]
                .iter()
                .map(|p| levels[*p] + 1)
                .max()
                .unwrap_or_default();
        }
        levels
    }

    pub(super) fn phases(&self) -> Vec<StepPhase> {
        let mut phases = vec![StepPhase::WaitingForParents; self.steps.len()];
        for index in self.topological() {
            phases[index] = self.phase(index, &phases);
        }
        phases
    }

    fn phase(&self, index: usize, phases: &[StepPhase]) -> StepPhase {
        let step = &self.steps[index];
        match (step.state, step.delay_reason.as_deref()) {
            (State::Complete | State::Cancelled | State::ResolvedManually, _) => {
                return StepPhase::Finished;
            }
            (_, Some("no_handler")) => return StepPhase::NoHandler,
            (_, Some(_)) => return StepPhase::BackingOff,
            _ if self.definition.is_none() => return StepPhase::External,
            (State::Error, None) => return StepPhase::Finished,
            _ if step.in_process => return StepPhase::Running,
            _ => {}
        }
        let parents = &self.parents[index];
        let satisfied = |p: &usize| self.steps[*p].state.satisfies_children();
        if parents.iter().all(satisfied) {
            return StepPhase::Enqueued;
        }
        // A parent that is over without having succeeded will never let us run.
        let stuck = |p: &usize| {
            phases[*p] == StepPhase::Blocked || (phases[*p] == StepPhase::Finished && !satisfied(p))
        };
        if parents.iter().any(stuck) {
            StepPhase::Blocked
        } else {
            StepPhase::WaitingForParents
        }
    }
}

async fn load_steps(store: &Store, task_id: i64) -> Result<Vec<StepRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT s.workflow_step_id, s.named_step_id, n.name, x.to_state, COALESCE(s.attempts, 0) AS attempts,
                COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, s.in_process, s.processed,
                s.processed_at, s.last_attempted_at, s.results, d.due_at, d.reason, d.detail
           FROM tasker_workflow_steps s
           JOIN tasker_named_steps n USING (named_step_id)
           LEFT JOIN tasker_workflow_step_transitions x
                  ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
           LEFT JOIN tasker.step_delays d ON d.workflow_step_id = s.workflow_step_id
          WHERE s.task_id = $1
          ORDER BY s.workflow_step_id",
    )
    .bind(task_id)
    .fetch_all(store.pool())
    .await?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let in_process: bool = row.try_get("in_process")?;
        let stored = state_of(&row, "to_state")?;
        steps.push(StepRow {
            step_id: row.try_get("workflow_step_id")?,
            named_step_id: row.try_get("named_step_id")?,
            name: row.try_get("name")?,
            // With folded audit the row of the running attempt is not written yet.
            state: if in_process {
                State::InProgress
            } else {
                stored
            },
            attempts: row.try_get("attempts")?,
            retry_limit: row.try_get("retry_limit")?,
            retryable: row.try_get("retryable")?,
            in_process,
            processed: row.try_get("processed")?,
            processed_at: utc_or_none(&row, "processed_at")?,
            last_attempted_at: utc_or_none(&row, "last_attempted_at")?,
            results: row
                .try_get::<Option<Value>, _>("results")?
                .unwrap_or(Value::Null),
            due_at: utc_or_none(&row, "due_at")?,
            delay_reason: row.try_get("reason")?,
            delay_detail: row.try_get("detail")?,
        });
    }
    Ok(steps)
}

async fn load_parents(
    store: &Store,
    steps: &[StepRow],
    index: &IndexOf,
) -> Result<Vec<Vec<usize>>, StoreError> {
    let ids: Vec<i64> = steps.iter().map(|s| s.step_id).collect();
    let edges: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT from_step_id, to_step_id FROM tasker_workflow_step_edges
          WHERE to_step_id = ANY ($1) ORDER BY to_step_id, from_step_id",
    )
    .bind(&ids)
    .fetch_all(store.pool())
    .await?;
    let mut parents = vec![Vec::new(); steps.len()];
    for (from, to) in edges {
        if let (Some(from), Some(to)) = (index.get(&from), index.get(&to)) {
            parents[*to].push(*from);
        }
    }
    Ok(parents)
}
