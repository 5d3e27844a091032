//! Writes prepared tasks: one transaction for all, one statement a table.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{json, Value};
use sqlx::{PgConnection, Row};

use super::{NewTask, Submitted};
use crate::domain::{Namespace, State};
use crate::store::{begin, queue, read, Store, StoreError};
use crate::wire::{StepCounts, TaskView};

/// Writes the tasks and enqueues their first steps; all or none.
///
/// Answers in the order of `tasks`. Two of the same identity are one task, also
/// within the list. When it returns, the tasks are durable.
///
/// # Errors
/// As for any statement; then nothing has been written, or, if the connection
/// broke at the commit, it may have been: submitting again with the same
/// identity finds out.
pub async fn submit(store: &Store, tasks: Vec<NewTask>) -> Result<Vec<Submitted>, StoreError> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = begin(store.pool()).await?;
    let ids = Ids::reserve(&mut transaction, &tasks).await?;
    let inserted = insert_tasks(&mut transaction, &tasks, &ids).await?;
    let fresh: Vec<Fresh<'_>> = tasks
        .iter()
        .zip(&ids.tasks)
        .zip(&ids.first_step)
        .filter(|((_, task_id), _)| inserted.contains_key(*task_id))
        .map(|((task, task_id), first)| Fresh {
            task,
            task_id: *task_id,
            steps: &ids.steps[*first..first + task.definition.template.steps.len()],
        })
        .collect();
    if !fresh.is_empty() {
        insert_steps(&mut transaction, &fresh).await?;
        insert_edges(&mut transaction, &fresh).await?;
        insert_runs(&mut transaction, &fresh).await?;
        enqueue_roots(&mut transaction, &fresh).await?;
    }
    transaction.commit().await?;
    answer(store, &tasks, &ids, &inserted).await
}

/// Ids taken from the sequences before anything is written, so that every table
/// can be filled from arrays at once.
struct Ids {
    tasks: Vec<i64>,
    /// Index into `steps` of each task's first.
    first_step: Vec<usize>,
    steps: Vec<i64>,
}

impl Ids {
    async fn reserve(connection: &mut PgConnection, tasks: &[NewTask]) -> Result<Self, StoreError> {
        let mut first_step = Vec::with_capacity(tasks.len());
        let mut total = 0;
        for task in tasks {
            first_step.push(total);
            total += task.definition.template.steps.len();
        }
        let row = sqlx::query(
            "SELECT ARRAY(SELECT nextval('tasker_tasks_task_id_seq') FROM generate_series(1, $1)) AS tasks,
                    ARRAY(SELECT nextval('tasker_workflow_steps_workflow_step_id_seq')
                            FROM generate_series(1, $2)) AS steps",
        )
        .bind(tasks.len() as i64)
        .bind(total as i64)
        .fetch_one(connection)
        .await?;
        Ok(Self {
            tasks: row.try_get("tasks")?,
            first_step,
            steps: row.try_get("steps")?,
        })
    }
}

/// A task that is really new, with the ids of its steps in template order.
struct Fresh<'a> {
    task: &'a NewTask,
    task_id: i64,
    steps: &'a [i64],
}

async fn insert_tasks(
    connection: &mut PgConnection,
    tasks: &[NewTask],
    ids: &Ids,
) -> Result<HashMap<i64, NaiveDateTime>, StoreError> {
    let strings = |f: fn(&NewTask) -> &String| -> Vec<&str> {
        tasks.iter().map(|task| f(task).as_str()).collect()
    };
    // Inserted in the order of the identity, so that two transactions with the
    // same identities wait for each other in one direction only.
    let inserted: Vec<(i64, NaiveDateTime)> = sqlx::query_as(
        "INSERT INTO tasker_tasks
                (task_id, named_task_id, complete, requested_at, initiator, source_system, reason,
                 bypass_steps, tags, context, identity_hash, created_at, updated_at)
         SELECT t.task_id, t.named_task_id, false, t.requested_at, t.initiator, t.source_system, t.reason,
                '[]'::json, t.tags, t.context, t.identity_hash,
                now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
           FROM unnest($1::bigint[], $2::integer[], $3::timestamp[], $4::text[], $5::text[], $6::text[],
                       $7::jsonb[], $8::jsonb[], $9::text[])
                AS t(task_id, named_task_id, requested_at, initiator, source_system, reason, tags, context, identity_hash)
          ORDER BY t.identity_hash
         ON CONFLICT (identity_hash) DO NOTHING
         RETURNING task_id, created_at",
    )
    .bind(&ids.tasks)
    .bind(tasks.iter().map(|t| t.definition.named_task_id).collect::<Vec<_>>())
    .bind(tasks.iter().map(|t| t.requested_at.naive_utc()).collect::<Vec<_>>())
    .bind(strings(|t| &t.initiator))
    .bind(strings(|t| &t.source_system))
    .bind(strings(|t| &t.reason))
    .bind(tasks.iter().map(|t| json!(t.tags)).collect::<Vec<_>>())
    .bind(tasks.iter().map(|t| t.context.clone()).collect::<Vec<_>>())
    .bind(strings(|t| &t.identity_hash))
    .fetch_all(connection)
    .await?;
    Ok(inserted.into_iter().collect())
}

async fn insert_steps(
    connection: &mut PgConnection,
    fresh: &[Fresh<'_>],
) -> Result<(), StoreError> {
    let (mut ids, mut owners, mut named) = (Vec::new(), Vec::new(), Vec::new());
    let (mut retryable, mut limits, mut skippable) = (Vec::new(), Vec::new(), Vec::new());
    for (index, new) in fresh.iter().enumerate() {
        let definition = &new.task.definition;
        for (position, step) in definition.template.steps.iter().enumerate() {
            ids.push(new.steps[position]);
            owners.push(index as i32 + 1);
            named.push(definition.named_step_ids[position]);
            retryable.push(step.retryable);
            limits.push(step.retry_limit);
            skippable.push(step.skippable);
        }
    }
    // The context travels once a task, not once a step.
    sqlx::query(
        "INSERT INTO tasker_workflow_steps
                (workflow_step_id, task_id, named_step_id, retryable, retry_limit, in_process, processed,
                 attempts, inputs, results, created_at, updated_at, skippable)
         SELECT s.step_id, ($7::bigint[])[s.owner], s.named_step_id, s.retryable, s.retry_limit, false, false,
                0, ($8::jsonb[])[s.owner], '{}'::jsonb,
                now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', s.skippable
           FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::boolean[], $5::integer[], $6::boolean[])
                AS s(step_id, owner, named_step_id, retryable, retry_limit, skippable)",
    )
    .bind(&ids)
    .bind(&owners)
    .bind(&named)
    .bind(&retryable)
    .bind(&limits)
    .bind(&skippable)
    .bind(fresh.iter().map(|new| new.task_id).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| new.task.context.clone()).collect::<Vec<Value>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_edges(
    connection: &mut PgConnection,
    fresh: &[Fresh<'_>],
) -> Result<(), StoreError> {
    let (mut from, mut to) = (Vec::new(), Vec::new());
    let (mut gated, mut gate_tasks, mut unmet) = (Vec::new(), Vec::new(), Vec::new());
    for new in fresh {
        let graph = &new.task.definition.graph;
        for child in 0..new.steps.len() {
            let parents = graph.parents(child);
            for parent in parents {
                from.push(new.steps[*parent as usize]);
                to.push(new.steps[child]);
            }
            if parents.len() > 1 {
                gated.push(new.steps[child]);
                gate_tasks.push(new.task_id);
                unmet.push(parents.len() as i32);
            }
        }
    }
    if from.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
         SELECT e.from_step_id, e.to_step_id, 'provides',
                now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
           FROM unnest($1::bigint[], $2::bigint[]) AS e(from_step_id, to_step_id)",
    )
    .bind(&from)
    .bind(&to)
    .execute(&mut *connection)
    .await?;
    if !gated.is_empty() {
        sqlx::query(
            "INSERT INTO tasker.step_gates (workflow_step_id, task_id, unmet)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[])",
        )
        .bind(&gated)
        .bind(&gate_tasks)
        .bind(&unmet)
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// The engine's row of each task, and its first transition: a task is in
/// progress from the start. That is how the Rails engine's own workers see that
/// it is taken: they start only what is pending.
async fn insert_runs(connection: &mut PgConnection, fresh: &[Fresh<'_>]) -> Result<(), StoreError> {
    let definition = |new: &Fresh<'_>| new.task.definition.clone();
    sqlx::query(
        "WITH runs AS (
            SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::integer[],
                                 $7::text[], $8::text[], $9::text[])
                AS r(task_id, definition_id, namespace, priority, active, unfinished,
                     idempotency_key, correlation_id, traceparent)
        ), audited AS (
            INSERT INTO tasker_task_transitions
                   (task_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
            SELECT task_id, 'pending', 'in_progress',
                   jsonb_build_object('initialization_completed', true, 'step_dependencies_established', unfinished),
                   10, true, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
              FROM runs
        )
        INSERT INTO tasker.task_runs
               (task_id, definition_id, namespace, priority, active, unfinished,
                idempotency_key, correlation_id, traceparent)
        SELECT * FROM runs",
    )
    .bind(fresh.iter().map(|new| new.task_id).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| definition(new).definition_id).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| definition(new).namespace().to_string()).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| new.task.priority).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| definition(new).graph.roots().count() as i32).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| new.steps.len() as i32).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| new.task.idempotency_key.clone()).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| new.task.correlation_id.clone()).collect::<Vec<_>>())
    .bind(fresh.iter().map(|new| new.task.traceparent.clone()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Columns of the messages for one namespace's queue.
#[derive(Default)]
struct Roots<'a> {
    tasks: Vec<i64>,
    steps: Vec<i64>,
    priorities: Vec<i32>,
    traces: Vec<Option<&'a str>>,
}

async fn enqueue_roots(
    connection: &mut PgConnection,
    fresh: &[Fresh<'_>],
) -> Result<(), StoreError> {
    let mut by_namespace: BTreeMap<&Namespace, Roots<'_>> = BTreeMap::new();
    for new in fresh {
        let columns = by_namespace
            .entry(new.task.definition.namespace())
            .or_default();
        for root in new.task.definition.graph.roots() {
            columns.tasks.push(new.task_id);
            columns.steps.push(new.steps[root as usize]);
            columns.priorities.push(new.task.priority);
            columns.traces.push(new.task.traceparent.as_deref());
        }
    }
    for (namespace, roots) in by_namespace {
        let statement = queue::for_namespace(
            "INSERT INTO pgmq.{queue} (msg_id, vt, message, headers) OVERRIDING SYSTEM VALUE
             SELECT nextval('pgmq.{queue}_msg_id_seq') - (r.priority::bigint << 48), clock_timestamp(),
                    jsonb_build_object('task_id', r.task_id, 'step_id', r.step_id),
                    CASE WHEN r.traceparent IS NOT NULL
                         THEN jsonb_build_object('traceparent', r.traceparent) END
               FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::text[])
                    AS r(task_id, step_id, priority, traceparent)",
            namespace,
        );
        sqlx::query(&statement)
            .bind(&roots.tasks)
            .bind(&roots.steps)
            .bind(&roots.priorities)
            .bind(&roots.traces)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn answer(
    store: &Store,
    tasks: &[NewTask],
    ids: &Ids,
    inserted: &HashMap<i64, NaiveDateTime>,
) -> Result<Vec<Submitted>, StoreError> {
    let missing: Vec<&str> = tasks
        .iter()
        .zip(&ids.tasks)
        .filter(|(_, id)| !inserted.contains_key(id))
        .map(|(task, _)| task.identity_hash.as_str())
        .collect();
    let existing = if missing.is_empty() {
        HashMap::new()
    } else {
        existing(store, &missing).await?
    };
    let mut answers = Vec::with_capacity(tasks.len());
    for (task, task_id) in tasks.iter().zip(&ids.tasks) {
        if let Some(created_at) = inserted.get(task_id) {
            answers.push(Submitted::Created(view(
                task,
                *task_id,
                created_at.and_utc(),
            )));
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
        driven_by_core: true,
    }
}
