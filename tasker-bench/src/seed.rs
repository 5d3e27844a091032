//! History in a moment: finished tasks copied until enough steps are stored.
//!
//! What is copied is what the engine left of tasks that it ran, from every table, so the
//! copies differ from the real thing in their ids only, and in lying together.

use anyhow::{ensure, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, PgConnection};

use crate::shape::NAMESPACE;
use crate::stage::{Database, Stage};

/// Tables for the models: tasks and their steps, each numbered from 1. The copy of
/// number `n` in round `r`, which counts from 0, gets the id `base + r * count + n`.
const TABLES: &str = "
    SET work_mem = '256MB';
    CREATE TEMP TABLE model_tasks (task_id bigint, n bigint);
    CREATE TEMP TABLE model_steps (workflow_step_id bigint, task_n bigint, n bigint);
    CREATE TEMP TABLE base (tasks bigint, steps bigint, task_id bigint, step_id bigint)";

/// $1 namespace, $2 names of templates: the first finished task of each.
const MODEL_TASKS: &str = "
    INSERT INTO model_tasks
    SELECT task_id, row_number() OVER (ORDER BY task_id)
      FROM (SELECT DISTINCT ON (t.named_task_id) t.task_id
              FROM tasker_tasks t
              JOIN tasker_named_tasks d USING (named_task_id)
              JOIN tasker_task_namespaces s USING (task_namespace_id)
             WHERE t.complete AND s.name = $1 AND d.name = ANY ($2)
             ORDER BY t.named_task_id, t.task_id) m";
const MODEL_STEPS: &str = "
    INSERT INTO model_steps
    SELECT s.workflow_step_id, m.n, row_number() OVER (ORDER BY s.workflow_step_id)
      FROM model_tasks m JOIN tasker_workflow_steps s USING (task_id);
    INSERT INTO base
    SELECT (SELECT count(*) FROM model_tasks), (SELECT count(*) FROM model_steps),
           (SELECT last_value FROM tasker_tasks_task_id_seq),
           (SELECT last_value FROM tasker_workflow_steps_workflow_step_id_seq);
    ANALYZE model_tasks, model_steps, base";

/// One statement a table; x is the model's row. `{task}` and `{step}` stand for the id of
/// the copy, `{owner}` for that of the task a step belongs to, `{rounds}` for what these
/// are computed from. $1: number of rounds. Rows of a round lie together.
const COPIES: [&str; 7] = [
    "INSERT INTO tasker_tasks
            (task_id, named_task_id, complete, requested_at, initiator, source_system, reason,
             bypass_steps, tags, context, identity_hash, created_at, updated_at)
     SELECT {task}, x.named_task_id, x.complete, x.requested_at, x.initiator, x.source_system, x.reason,
            x.bypass_steps, x.tags, x.context,
            encode(sha256(convert_to(r || ' ' || x.identity_hash, 'UTF8')), 'hex'),
            x.created_at, x.updated_at
       FROM {rounds}, model_tasks m JOIN tasker_tasks x USING (task_id)
      ORDER BY r, m.n",
    "INSERT INTO tasker_task_transitions
            (task_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
     SELECT {task}, x.from_state, x.to_state, x.metadata, x.sort_key, x.most_recent,
            x.created_at, x.updated_at
       FROM {rounds}, model_tasks m JOIN tasker_task_transitions x USING (task_id)
      ORDER BY r, x.id",
    "INSERT INTO tasker.task_runs
            (task_id, definition_id, namespace, priority, active, unfinished, failed,
             idempotency_key, correlation_id, traceparent)
     SELECT {task}, x.definition_id, x.namespace, x.priority, x.active, x.unfinished, x.failed,
            x.idempotency_key, x.correlation_id, x.traceparent
       FROM {rounds}, model_tasks m JOIN tasker.task_runs x USING (task_id)
      ORDER BY r, m.n",
    "INSERT INTO tasker_workflow_steps
            (workflow_step_id, task_id, named_step_id, retryable, retry_limit, in_process, processed,
             processed_at, attempts, last_attempted_at, backoff_request_seconds, inputs, results,
             created_at, updated_at, skippable)
     SELECT {step}, {owner}, x.named_step_id, x.retryable, x.retry_limit, x.in_process, x.processed,
            x.processed_at, x.attempts, x.last_attempted_at, x.backoff_request_seconds, x.inputs,
            x.results, x.created_at, x.updated_at, x.skippable
       FROM {rounds}, model_steps m JOIN tasker_workflow_steps x USING (workflow_step_id)
      ORDER BY r, m.n",
    "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
     SELECT b.step_id + r * b.steps + p.n, {step}, x.name, x.created_at, x.updated_at
       FROM {rounds}, model_steps m
       JOIN tasker_workflow_step_edges x ON x.to_step_id = m.workflow_step_id
       JOIN model_steps p ON p.workflow_step_id = x.from_step_id
      ORDER BY r, x.id",
    "INSERT INTO tasker_workflow_step_transitions
            (workflow_step_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
     SELECT {step}, x.from_state, x.to_state, x.metadata, x.sort_key, x.most_recent,
            x.created_at, x.updated_at
       FROM {rounds}, model_steps m JOIN tasker_workflow_step_transitions x USING (workflow_step_id)
      ORDER BY r, x.id",
    "INSERT INTO tasker.step_gates (workflow_step_id, task_id, unmet, sealed)
     SELECT {step}, {owner}, x.unmet, x.sealed
       FROM {rounds}, model_steps m JOIN tasker.step_gates x USING (workflow_step_id)
      ORDER BY r, m.n",
];

/// $1: number of rounds. All other ids come from their sequences.
const MOVE_ON: &str = "
    SELECT setval('tasker_tasks_task_id_seq', task_id + $1 * tasks),
           setval('tasker_workflow_steps_workflow_step_id_seq', step_id + $1 * steps)
      FROM base";

/// Copies a finished task of each of these templates until there are `steps` more steps,
/// about. No service may be at work.
pub(crate) async fn copy(database: &Database, templates: &[&str], steps: u64) -> Result<()> {
    let mut connection = patient(database).await?;
    connection.execute(TABLES).await?;
    let models = sqlx::query(MODEL_TASKS).bind(NAMESPACE).bind(templates);
    let models = models.execute(&mut connection).await?.rows_affected();
    ensure!(
        models == templates.len() as u64,
        "tasks of {models} templates have ended, not of {}",
        templates.len()
    );
    connection.execute(MODEL_STEPS).await?;
    let a_round: i64 = sqlx::query_scalar("SELECT steps FROM base")
        .fetch_one(&mut connection)
        .await?;
    let rounds = (steps as i64 / a_round).max(1);
    for statement in COPIES {
        let statement = statement
            .replace("{rounds}", "base b, generate_series(0, $1 - 1) r")
            .replace("{task}", "b.task_id + r * b.tasks + m.n")
            .replace("{step}", "b.step_id + r * b.steps + m.n")
            .replace("{owner}", "b.task_id + r * b.tasks + m.task_n");
        let copy = sqlx::query(&statement).bind(rounds);
        copy.execute(&mut connection).await?;
    }
    let move_on = sqlx::query(MOVE_ON).bind(rounds);
    move_on.execute(&mut connection).await?;
    // Left to the end of the session they would vanish beneath a vacuum of everything.
    connection
        .execute("DROP TABLE model_tasks, model_steps, base")
        .await?;
    Ok(())
}

/// Finished steps in the database.
pub(crate) async fn steps(database: &Database) -> Result<u64> {
    let mut connection = patient(database).await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM tasker_workflow_steps WHERE processed");
    let count: i64 = count.fetch_one(&mut connection).await?;
    Ok(count as u64)
}

/// Vacuums and analyses, as autovacuum does in the course of a long life, and writes all
/// of it to disk, so that nobody pays for it later.
pub(crate) async fn settle(stage: &Stage, database: &Database) -> Result<()> {
    patient(database).await?.execute("VACUUM (ANALYZE)").await?;
    if stage.cluster().is_some() {
        stage.admin(&database.name, "CHECKPOINT")?;
    }
    Ok(())
}

/// A connection without the time limits of services.
async fn patient(database: &Database) -> Result<PgConnection> {
    let options: PgConnectOptions = database.url.parse()?;
    Ok(options.connect().await?)
}
