//! From what a look has found to events, with what else must be read for them.

use std::collections::hash_map::Entry as Slot;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::events::{Event, Teller};
use super::rounds::{self, Rounds};
use super::rows::{self, Entry, StepRow, TaskRow};
use super::{wanted, Feed};
use crate::domain::State;
use crate::store::{Definition, StoreError};

/// The failed steps of these tasks. Plan: `workflow_steps_task_id_index`.
const ERRORS: &str = "
    SELECT s.task_id, jsonb_build_object('step_id', s.workflow_step_id, 'step_name', n.name,
           'attempts', s.attempts, 'error', left(s.results->>'error', 1000)) AS step
      FROM tasker_workflow_steps s
      JOIN tasker_named_steps n ON n.named_step_id = ANY (ARRAY[s.named_step_id])
      JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = ANY (ARRAY[s.workflow_step_id])
     WHERE s.task_id = ANY ($1) AND x.most_recent AND x.to_state = 'error'
     ORDER BY s.workflow_step_id";

impl Feed {
    pub(super) async fn tell(
        &mut self,
        tasks: Vec<TaskRow>,
        steps: Vec<StepRow>,
    ) -> Result<Vec<Event>, StoreError> {
        let failed = tasks.iter().filter(|row| row.to == State::Error);
        let failed: Vec<i64> = failed.map(|row| row.task_id).collect();
        let entries = rows::merged(tasks, steps);
        let mut definitions: HashMap<i64, Arc<Definition>> = HashMap::new();
        for entry in &entries {
            let id = entry.definition_id();
            if let Slot::Vacant(vacant) = definitions.entry(id) {
                vacant.insert(self.store.definition(id).await?);
            }
        }
        let errors = self.errors(&failed).await?;
        let rounds = self.rounds(&entries, &definitions).await?;
        let mut told = Vec::new();
        for entry in &entries {
            let mark = match entry {
                Entry::Task(row) => format!("t{}", row.id),
                Entry::Step(row) => format!("s{}", row.id),
            };
            let task_id = entry.task_id();
            let mut teller = Teller {
                wanted: &self.wanted,
                definition: &definitions[&entry.definition_id()],
                rounds: rounds.get(&task_id),
                errors: &errors,
                mark,
                task_id,
                told: &mut told,
            };
            teller.tell(entry);
        }
        Ok(told)
    }

    async fn errors(&mut self, failed: &[i64]) -> Result<HashMap<i64, Vec<Value>>, StoreError> {
        let mut errors: HashMap<i64, Vec<Value>> = HashMap::new();
        if failed.is_empty() || !self.wanted.has(wanted::TASK_FAILED) {
            return Ok(errors);
        }
        let rows: Vec<(i64, Value)> = sqlx::query_as(ERRORS)
            .bind(failed)
            .fetch_all(&mut self.connection)
            .await?;
        for (task_id, step) in rows {
            errors.entry(task_id).or_default().push(step);
        }
        Ok(errors)
    }

    async fn rounds(
        &mut self,
        entries: &[Entry],
        definitions: &HashMap<i64, Arc<Definition>>,
    ) -> Result<HashMap<i64, Rounds>, StoreError> {
        if !self.wanted.rounds() || entries.is_empty() {
            return Ok(HashMap::new());
        }
        let of_task: HashMap<i64, i64> = entries
            .iter()
            .map(|entry| (entry.task_id(), entry.definition_id()))
            .collect();
        let tasks: Vec<i64> = of_task.keys().copied().collect();
        let lives = rounds::read(&mut self.connection, &tasks).await?;
        Ok(lives
            .iter()
            .map(|(task, lives)| (*task, Rounds::of(&definitions[&of_task[task]], lives)))
            .collect())
    }
}
