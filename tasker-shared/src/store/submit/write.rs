//! Writes prepared tasks: one statement for each namespace.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::{PgConnection, Row};

use super::columns::{StepColumns, TaskColumns};
use super::{NewTask, Submitted};
use crate::domain::{Namespace, State};
use crate::store::{queue, read, Store, StoreError, BATCH_PATH};
use crate::wire::{StepCounts, TaskView};

pub(super) const SUBMIT: &str = include_str!("../sql/submit.sql");

/// A connection that writes tasks.
pub struct SubmitConnection {
    store: Store,
    connection: PgConnection,
    statements: HashMap<Namespace, String>,
}

/// What was written of a batch: id and time, by place in the batch.
type Written = HashMap<usize, (i64, NaiveDateTime)>;

impl SubmitConnection {
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            connection: store.dedicated(&BATCH_PATH).await?,
            store: store.clone(),
            statements: HashMap::new(),
        })
    }

    /// Writes the tasks and enqueues their first steps; all or none.
    ///
    /// Answers in the order of `tasks`. Two of the same identity are one task, also
    /// within the list. When it returns, the tasks are durable.
    ///
    /// Not cancel safe: open the connection anew after a cancelled call.
    ///
    /// # Errors
    /// As for any statement; then nothing has been written, or, if the connection
    /// broke at the commit, it may have been: submitting again with the same
    /// identity finds out. The connection should be opened anew.
    pub async fn submit(&mut self, tasks: &[NewTask]) -> Result<Vec<Submitted>, StoreError> {
        let mut by_namespace: BTreeMap<&Namespace, Vec<usize>> = BTreeMap::new();
        for (place, task) in tasks.iter().enumerate() {
            by_namespace
                .entry(task.definition.namespace())
                .or_default()
                .push(place);
        }
        // One statement is a transaction by itself.
        let several = by_namespace.len() > 1;
        let mut written = Written::with_capacity(tasks.len());
        if several {
            sqlx::query("BEGIN").execute(&mut self.connection).await?;
        }
        for (namespace, places) in by_namespace {
            self.write(namespace, &places, tasks, &mut written).await?;
        }
        if several {
            sqlx::query("COMMIT").execute(&mut self.connection).await?;
        }
        answer(&self.store, tasks, &written).await
    }

    async fn write(
        &mut self,
        namespace: &Namespace,
        places: &[usize],
        tasks: &[NewTask],
        written: &mut Written,
    ) -> Result<(), StoreError> {
        let statement = self
            .statements
            .entry(namespace.clone())
            .or_insert_with(|| queue::for_namespace(SUBMIT, namespace).replace("{same}", ""));
        let batch: Vec<&NewTask> = places.iter().map(|&place| &tasks[place]).collect();
        let of_tasks = TaskColumns::of(&batch);
        let of_steps = StepColumns::of(&batch);
        let rows = sqlx::query(statement)
            .bind(&of_tasks.named)
            .bind(&of_tasks.requested)
            .bind(&of_tasks.initiators)
            .bind(&of_tasks.sources)
            .bind(&of_tasks.reasons)
            .bind(&of_tasks.tags)
            .bind(&of_tasks.contexts)
            .bind(&of_tasks.identities)
            .bind(&of_tasks.definitions)
            .bind(&of_tasks.priorities)
            .bind(&of_tasks.roots)
            .bind(&of_tasks.steps)
            .bind(&of_tasks.keys)
            .bind(&of_tasks.correlations)
            .bind(&of_tasks.traces)
            .bind(&of_tasks.bypassed)
            .bind(&of_steps.tasks)
            .bind(&of_steps.named)
            .bind(&of_steps.retryable)
            .bind(&of_steps.limits)
            .bind(&of_steps.skippable)
            .bind(&of_steps.parents)
            .bind(&of_steps.edges_from)
            .bind(&of_steps.edges_to)
            .fetch_all(&mut self.connection)
            .await?;
        for row in rows {
            let number: i64 = row.try_get("number")?;
            let place = places[number as usize - 1];
            written.insert(place, (row.try_get("task_id")?, row.try_get("created_at")?));
        }
        Ok(())
    }
}

async fn answer(
    store: &Store,
    tasks: &[NewTask],
    written: &Written,
) -> Result<Vec<Submitted>, StoreError> {
    let missing: Vec<&str> = tasks
        .iter()
        .enumerate()
        .filter(|(place, _)| !written.contains_key(place))
        .map(|(_, task)| task.identity_hash.as_str())
        .collect();
    let existing = if missing.is_empty() {
        HashMap::new()
    } else {
        existing(store, &missing).await?
    };
    let mut answers = Vec::with_capacity(tasks.len());
    for (place, task) in tasks.iter().enumerate() {
        if let Some((task_id, created_at)) = written.get(&place) {
            let view = view(task, *task_id, created_at.and_utc());
            answers.push(Submitted::Created(view));
            continue;
        }
        let Some((view, named_task_id)) = existing.get(&task.identity_hash) else {
            // Deleted by hand between our two statements.
            return Err(StoreError::Database(sqlx::Error::RowNotFound));
        };
        let same = *named_task_id == task.definition.named_task_id && view.context == task.context;
        answers.push(if same {
            Submitted::Duplicate(view.clone())
        } else {
            Submitted::Conflict {
                task_id: view.task_id,
            }
        });
    }
    Ok(answers)
}

async fn existing(
    store: &Store,
    hashes: &[&str],
) -> Result<HashMap<String, (TaskView, i32)>, StoreError> {
    let rows: Vec<(i64, String, i32)> = sqlx::query_as(
        "SELECT task_id, identity_hash, named_task_id FROM tasker_tasks WHERE identity_hash = ANY ($1)",
    )
    .bind(hashes)
    .fetch_all(store.pool())
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for (task_id, hash, named_task_id) in rows {
        if let Some(view) = read::task(store, task_id, false, false).await? {
            found.insert(hash, (view, named_task_id));
        }
    }
    Ok(found)
}

/// The task as it stands right after it was written, without asking for it.
fn view(task: &NewTask, task_id: i64, created_at: DateTime<Utc>) -> TaskView {
    let template = &task.definition.template;
    let total = template.steps.len() as i64;
    TaskView {
        task_id,
        namespace: template.namespace.to_string(),
        name: template.name.to_string(),
        version: template.version.to_string(),
        state: State::InProgress,
        complete: false,
        initiator: Some(task.initiator.clone()),
        source_system: Some(task.source_system.clone()),
        reason: Some(task.reason.clone()),
        tags: task.tags.clone(),
        context: task.context.clone(),
        priority: task.priority,
        idempotency_key: task.idempotency_key.clone(),
        correlation_id: Some(task.correlation_id.clone()),
        requested_at: task.requested_at,
        created_at,
        state_since: created_at,
        step_counts: Some(StepCounts {
            total,
            pending: total,
            ..StepCounts::default()
        }),
        steps: None,
        transitions: None,
        annotations: None,
        driven_by_core: true,
    }
}
