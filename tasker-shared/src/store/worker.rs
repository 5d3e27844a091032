//! The register of worker processes. Only explanations read it.

use super::{Store, StoreError};
use crate::domain::Namespace;

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
        sqlx::query(
            "UPDATE tasker.step_delays SET due_at = clock_timestamp() AT TIME ZONE 'UTC'
              WHERE reason = 'no_handler' AND detail = ANY ($1) AND namespace = ANY ($2)",
        )
        .bind(&worker.handlers)
        .bind(&namespaces)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Namespaces with a template that has a step for one of these handlers, in
    /// name order: those in which a worker with these handlers is of use. In any
    /// other it would only take steps away from the workers that can run them.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn namespaces_with(&self, handlers: &[String]) -> Result<Vec<Namespace>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT t.namespace FROM tasker.templates t
              WHERE EXISTS (SELECT 1 FROM jsonb_array_elements(t.definition->'steps') s
                             WHERE s->>'handler_class' = ANY ($1))
              ORDER BY 1",
        )
        .bind(handlers)
        .fetch_all(self.pool())
        .await?;
        Ok(names
            .iter()
            .filter_map(|name| Namespace::parse(name).ok())
            .collect())
    }

    /// Says that a worker is still there, and forgets those unseen for an hour.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn refresh_worker(&self, worker_id: &str) -> Result<(), StoreError> {
        sqlx::query(
            "WITH gone AS (DELETE FROM tasker.workers
                            WHERE seen_at < (clock_timestamp() AT TIME ZONE 'UTC') - interval '1 hour'
                              AND worker_id <> $1)
             UPDATE tasker.workers SET seen_at = clock_timestamp() AT TIME ZONE 'UTC' WHERE worker_id = $1",
        )
        .bind(worker_id)
        .execute(self.pool())
        .await?;
        Ok(())
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
