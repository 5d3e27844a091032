//! The register of worker processes. Only explanations read it.

use super::{queue, Store, StoreError};
use crate::domain::Namespace;
use crate::messaging::Channel;

/// A worker process and what it can run.
#[derive(Debug, Clone)]
pub struct WorkerRecord {
    pub worker_id: String,
    pub namespaces: Vec<Namespace>,
    pub handlers: Vec<String>,
}

impl Store {
    /// Writes or refreshes a worker's row, and makes the steps that waited for one
    /// of its handlers due.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn register_worker(&self, worker: &WorkerRecord) -> Result<(), StoreError> {
        let namespaces: Vec<&str> = worker.namespaces.iter().map(Namespace::as_str).collect();
        sqlx::query(
            "INSERT INTO tasker.workers (worker_id, namespaces, handlers, started_at, seen_at)
             VALUES ($1, $2, $3, clock_timestamp() AT TIME ZONE 'UTC', clock_timestamp() AT TIME ZONE 'UTC')
             ON CONFLICT (worker_id) DO UPDATE
                SET namespaces = EXCLUDED.namespaces, handlers = EXCLUDED.handlers, seen_at = EXCLUDED.seen_at",
        )
        .bind(&worker.worker_id)
        .bind(&namespaces)
        .bind(&worker.handlers)
        .execute(self.pool())
        .await?;
        let waited = sqlx::query(
            "UPDATE tasker.step_delays SET due_at = clock_timestamp() AT TIME ZONE 'UTC'
              WHERE reason = 'no_handler' AND detail = ANY ($1) AND namespace = ANY ($2)",
        )
        .bind(&worker.handlers)
        .bind(&namespaces)
        .execute(self.pool())
        .await?;
        if waited.rows_affected() > 0 {
            self.tell(&[Channel::Delays]).await;
        }
        Ok(())
    }

    /// Says that a worker is still there, forgets those unseen for an hour, and
    /// returns the namespaces with a template that has a step for one of these
    /// handlers, in name order: those in which the worker is of use. In any other it
    /// would only take steps away from the workers that can run them. One statement,
    /// since it is made again and again; without handlers no template is read.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn refresh_worker(
        &self,
        worker_id: &str,
        handlers: &[String],
    ) -> Result<Vec<Namespace>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar(
            "WITH gone AS (DELETE FROM tasker.workers
                            WHERE seen_at < (clock_timestamp() AT TIME ZONE 'UTC') - interval '1 hour'
                              AND worker_id <> $1),
                  seen AS (UPDATE tasker.workers
                              SET seen_at = clock_timestamp() AT TIME ZONE 'UTC' WHERE worker_id = $1)
             SELECT DISTINCT t.namespace FROM tasker.templates t
              WHERE $2 <> '{}'
                AND EXISTS (SELECT 1 FROM jsonb_array_elements(t.definition->'steps') s
                             WHERE s->>'handler_class' = ANY ($2))
              ORDER BY 1",
        )
        .bind(worker_id)
        .bind(handlers)
        .fetch_all(self.pool())
        .await?;
        Ok(queue::namespaces_of(&names))
    }

    /// Removes a worker that has stopped.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn forget_worker(&self, worker_id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM tasker.workers WHERE worker_id = $1")
            .bind(worker_id)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
