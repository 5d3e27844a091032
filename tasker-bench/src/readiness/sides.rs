//! The two sides of the comparison, each on a connection of its own.

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tasker_shared::store::{Store, BATCH_PATH};

/// The end of the engine's statement that applies outcomes. Its first part finds what
/// became ready, the rest enqueues, counts and finalizes.
const PROPAGATE: &str = include_str!("../../../tasker-shared/src/store/sql/propagate.sql");
const END_OF_RESOLUTION: &str = ", enqueued AS (";

const RAILS_SQL: &str = include_str!("../../sql/rails_readiness.sql");

/// The engine's side.
pub(super) struct Tasker {
    connection: PgConnection,
    resolution: String,
}

impl Tasker {
    pub(super) async fn open(store: &Store) -> Result<Self> {
        let options = store.connect_options().options(BATCH_PATH);
        Ok(Self {
            connection: PgConnection::connect_with(&options).await?,
            resolution: resolution()?,
        })
    }

    pub(super) async fn begin(&mut self) -> Result<()> {
        self.connection.execute("BEGIN").await?;
        Ok(())
    }

    /// Steps that the end of `step` makes ready. Lowers the gates of its children.
    pub(super) async fn resolve(&mut self, task: i64, step: i64) -> Result<Vec<i64>> {
        let opened = sqlx::query_scalar(&self.resolution).bind(step).bind(task);
        Ok(opened.fetch_all(&mut self.connection).await?)
    }

    pub(super) async fn undo(&mut self) -> Result<()> {
        self.connection.execute("ROLLBACK").await?;
        Ok(())
    }
}

/// The resolution alone, behind step $1 of task $2, which has just completed.
fn resolution() -> Result<String> {
    let (resolution, _) = PROPAGATE
        .split_once(END_OF_RESOLUTION)
        .context("propagate.sql has another form than this measurement expects")?;
    Ok(format!(
        "WITH flipped AS MATERIALIZED (
             SELECT $1::bigint AS workflow_step_id, $2::bigint AS task_id, true AS satisfies
         ){resolution}
         SELECT step_id FROM ready"
    ))
}

/// The Rails engine's side. Sequential scans and nested loops are allowed here and plans
/// are PostgreSQL's own choice: the settings of our hot path would only slow it down.
pub(super) struct Rails {
    connection: PgConnection,
    by_sql: String,
}

impl Rails {
    pub(super) async fn open(store: &Store) -> Result<Self> {
        // Compiling the query would take longer than running it.
        let options = store.connect_options().options([("jit", "off")]);
        Ok(Self {
            connection: PgConnection::connect_with(&options).await?,
            by_sql: format!(
                "SELECT workflow_step_id FROM ({RAILS_SQL}) step WHERE ready_for_execution"
            ),
        })
    }

    /// Ready steps, by the function that the Rails engine brings.
    pub(super) async fn by_function(&mut self, task: i64) -> Result<Vec<i64>> {
        let ready = sqlx::query_scalar(
            "SELECT workflow_step_id FROM get_step_readiness_status($1) WHERE ready_for_execution",
        );
        Ok(ready.bind(task).fetch_all(&mut self.connection).await?)
    }

    /// Ready steps, by one statement with the same rules.
    pub(super) async fn by_sql(&mut self, task: i64) -> Result<Vec<i64>> {
        let ready = sqlx::query_scalar(&self.by_sql).bind(task);
        Ok(ready.fetch_all(&mut self.connection).await?)
    }

    /// Begins a transaction in which `step`, which has never run, is complete.
    pub(super) async fn complete(&mut self, step: i64) -> Result<()> {
        self.connection.execute("BEGIN").await?;
        sqlx::query(
            "WITH step AS (
                 UPDATE tasker_workflow_steps SET processed = true WHERE workflow_step_id = $1
             )
             INSERT INTO tasker_workflow_step_transitions
                    (workflow_step_id, to_state, sort_key, most_recent, created_at, updated_at)
             SELECT $1, 'complete', 10, true, now, now FROM timezone('UTC', now()) AS now",
        )
        .bind(step)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    pub(super) async fn undo(&mut self) -> Result<()> {
        self.connection.execute("ROLLBACK").await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolution_is_cut_out_of_the_engines_statement_and_writes_gates_alone() {
        let resolution = resolution().unwrap();
        for part in ["hits AS", "opened AS", "ready AS"] {
            assert!(resolution.contains(part), "{part}");
        }
        assert!(!resolution.contains("INSERT"), "{resolution}");
        assert_eq!(resolution.matches("UPDATE").count(), 1, "{resolution}");
    }
}
