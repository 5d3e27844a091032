//! The two sides of the comparison, each on a connection of its own.

use anyhow::Result;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tasker_shared::store::{Store, BATCH_PATH};

/// The part of the engine's statement that finds what became ready. Its last CTE is
/// closed by the part that follows it.
const PROPAGATE: &str = include_str!("../../../tasker-shared/src/store/sql/propagate.sql");

const BY_FUNCTION: &str =
    "SELECT workflow_step_id FROM get_step_readiness_status($1) WHERE ready_for_execution";
const RAILS_SQL: &str = include_str!("../../sql/rails_readiness.sql");

/// Makes a function of the session that runs `with` and `select`, which gives ids of
/// steps, and answers with the milliseconds it took.
async fn timed(
    connection: &mut PgConnection,
    signature: &str,
    with: &str,
    select: &str,
) -> Result<()> {
    // Without the way there and back, which is the same for all and longer than ours takes.
    let function = format!(
        "CREATE FUNCTION pg_temp.{signature} RETURNS float8 LANGUAGE plpgsql AS $function$
         DECLARE
             since timestamptz := clock_timestamp();
             ready bigint[];
         BEGIN
             {with} SELECT array_agg(id) INTO ready FROM ({select}) AS found(id);
             RETURN extract(epoch FROM clock_timestamp() - since) * 1000;
         END $function$"
    );
    connection.execute(&*function).await?;
    Ok(())
}

/// The engine's side.
pub(super) struct Tasker {
    connection: PgConnection,
    resolution: String,
}

impl Tasker {
    pub(super) async fn open(store: &Store) -> Result<Self> {
        let options = store.connect_options().options(BATCH_PATH);
        let mut connection = PgConnection::connect_with(&options).await?;
        let signature = "resolve(bigint, bigint)";
        timed(&mut connection, signature, &resolution(), READY).await?;
        Ok(Self {
            connection,
            resolution: format!("{} {READY}", resolution()),
        })
    }

    /// Milliseconds that [`resolve`](Self::resolve) takes in the server.
    pub(super) async fn resolve_ms(&mut self, task: i64, step: i64) -> Result<f64> {
        let ms = sqlx::query_scalar("SELECT pg_temp.resolve($1, $2)");
        let ms = ms.bind(step).bind(task);
        Ok(ms.fetch_one(&mut self.connection).await?)
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

const READY: &str = "SELECT step_id FROM ready";

/// The resolution alone, behind step $1 of task $2, which has just completed.
fn resolution() -> String {
    format!(
        "WITH flipped AS MATERIALIZED (
             SELECT $1::bigint AS workflow_step_id, $2::bigint AS task_id, true AS satisfies
         ){PROPAGATE})"
    )
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
        let mut connection = PgConnection::connect_with(&options).await?;
        let by_sql =
            format!("SELECT workflow_step_id FROM ({RAILS_SQL}) step WHERE ready_for_execution");
        timed(&mut connection, "by_function(bigint)", "", BY_FUNCTION).await?;
        timed(&mut connection, "by_sql(bigint)", "", &by_sql).await?;
        Ok(Self { connection, by_sql })
    }

    /// Milliseconds that [`by_function`](Self::by_function) takes in the server.
    pub(super) async fn by_function_ms(&mut self, task: i64) -> Result<f64> {
        let ms = sqlx::query_scalar("SELECT pg_temp.by_function($1)").bind(task);
        Ok(ms.fetch_one(&mut self.connection).await?)
    }

    /// Milliseconds that [`by_sql`](Self::by_sql) takes in the server.
    pub(super) async fn by_sql_ms(&mut self, task: i64) -> Result<f64> {
        let ms = sqlx::query_scalar("SELECT pg_temp.by_sql($1)").bind(task);
        Ok(ms.fetch_one(&mut self.connection).await?)
    }

    /// Ready steps, by the function that the Rails engine brings.
    pub(super) async fn by_function(&mut self, task: i64) -> Result<Vec<i64>> {
        let ready = sqlx::query_scalar(BY_FUNCTION);
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
        let resolution = resolution();
        for part in ["hits AS", "opened AS", "ready AS"] {
            assert!(resolution.contains(part), "{part}");
        }
        assert!(!resolution.contains("INSERT"), "{resolution}");
        assert_eq!(resolution.matches("UPDATE").count(), 1, "{resolution}");
    }
}
