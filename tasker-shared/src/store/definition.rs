//! Template definitions as the engine uses them: read once, kept for ever.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Row;

use super::{Store, StoreError};
use crate::domain::{ContextValidator, Graph, Namespace, RetryPolicy, StepTemplate, Template};

/// One immutable content of a template version, compiled.
#[derive(Debug)]
pub struct Definition {
    pub definition_id: i64,
    pub named_task_id: i32,
    /// As it was stored: the text of a template that is hashed may be another one in a
    /// later version.
    pub digest: String,
    pub template: Template,
    pub graph: Graph,
    pub validator: ContextValidator,
    /// `tasker_named_steps` id of each step, in template order.
    pub named_step_ids: Vec<i32>,
    index_of: HashMap<i32, usize>,
}

impl Definition {
    pub fn namespace(&self) -> &Namespace {
        &self.template.namespace
    }

    /// Index of a step in template order.
    pub fn index_of(&self, named_step_id: i32) -> Option<usize> {
        self.index_of.get(&named_step_id).copied()
    }

    pub fn step(&self, named_step_id: i32) -> Option<&StepTemplate> {
        self.index_of(named_step_id)
            .map(|index| &self.template.steps[index])
    }

    /// The step's retry policy; the default one for a step the template lost.
    pub fn retry_policy(&self, named_step_id: i32) -> RetryPolicy {
        self.step(named_step_id)
            .map(|step| step.retry)
            .unwrap_or_default()
    }

    pub(super) fn compile(
        definition_id: i64,
        named_task_id: i32,
        digest: String,
        template: Template,
        named_step_ids: Vec<i32>,
    ) -> Result<Self, StoreError> {
        let unreadable = |problem: String| StoreError::UnreadableDefinition {
            definition_id,
            problem,
        };
        let graph = template.graph().map_err(|e| unreadable(e.to_string()))?;
        let validator =
            ContextValidator::new(&template).map_err(|e| unreadable(format!("{e:?}")))?;
        let index_of = named_step_ids
            .iter()
            .enumerate()
            .map(|(i, id)| (*id, i))
            .collect();
        Ok(Self {
            definition_id,
            named_task_id,
            digest,
            template,
            graph,
            validator,
            named_step_ids,
            index_of,
        })
    }
}

impl Store {
    /// A definition by id, from the cache or the database.
    ///
    /// # Errors
    /// `MissingDefinition` if there is no such row; what the database says.
    pub async fn definition(&self, definition_id: i64) -> Result<Arc<Definition>, StoreError> {
        if let Some(known) = self.cached_definition(definition_id) {
            return Ok(known);
        }
        let row = sqlx::query(
            "SELECT named_task_id, digest, definition FROM tasker.templates WHERE definition_id = $1",
        )
        .bind(definition_id)
        .fetch_optional(self.pool())
        .await?
        .ok_or(StoreError::MissingDefinition { definition_id })?;
        let template: Template =
            serde_json::from_value(row.try_get("definition")?).map_err(|e| {
                StoreError::UnreadableDefinition {
                    definition_id,
                    problem: e.to_string(),
                }
            })?;
        let named_task_id: i32 = row.try_get("named_task_id")?;
        let steps: Vec<(String, String, i32)> = sqlx::query_as(
            "SELECT ns.name, ds.name, ns.named_step_id
               FROM tasker_named_tasks_named_steps j
               JOIN tasker_named_steps ns USING (named_step_id)
               JOIN tasker_dependent_systems ds USING (dependent_system_id)
              WHERE j.named_task_id = $1",
        )
        .bind(named_task_id)
        .fetch_all(self.pool())
        .await?;
        let ids = named_ids(&template, &steps, definition_id)?;
        let definition = Definition::compile(
            definition_id,
            named_task_id,
            row.try_get("digest")?,
            template,
            ids,
        )?;
        Ok(self.remember_definition(definition))
    }

    pub(super) fn cached_definition(&self, definition_id: i64) -> Option<Arc<Definition>> {
        let cache = self
            .inner
            .definitions
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        cache.get(&definition_id).cloned()
    }

    pub(super) fn remember_definition(&self, definition: Definition) -> Arc<Definition> {
        let definition = Arc::new(definition);
        let mut cache = self
            .inner
            .definitions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        cache
            .entry(definition.definition_id)
            .or_insert(definition)
            .clone()
    }
}

/// Ids of the template's steps, from rows of (name, dependent system, id).
fn named_ids(
    template: &Template,
    rows: &[(String, String, i32)],
    definition_id: i64,
) -> Result<Vec<i32>, StoreError> {
    let known: HashMap<(&str, &str), i32> = rows
        .iter()
        .map(|(name, system, id)| ((name.as_str(), system.as_str()), *id))
        .collect();
    template
        .steps
        .iter()
        .map(|step| {
            known
                .get(&(step.name.as_str(), step.dependent_system.as_str()))
                .copied()
                .ok_or_else(|| StoreError::UnreadableDefinition {
                    definition_id,
                    problem: format!("step {} has no row in tasker_named_steps", step.name),
                })
        })
        .collect()
}
