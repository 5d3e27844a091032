//! Whether the database can be worked with, and how full the queues are.

use sqlx::Row;

use super::{queue, Store, StoreError};
use crate::domain::Namespace;

/// How full one namespace's queue is.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueDepth {
    pub namespace: Namespace,
    /// Messages, those of running steps included.
    pub messages: i64,
    /// Age of the oldest message no worker has taken; 0 if there is none.
    pub oldest_seconds: f64,
}

/// Asks the database for a sign of life.
///
/// # Errors
/// As for any statement.
pub async fn ping(store: &Store) -> Result<(), StoreError> {
    sqlx::query("SELECT 1").execute(store.pool()).await?;
    Ok(())
}

/// Queues that should exist and do not.
///
/// # Errors
/// As for any statement.
pub async fn missing_queues(store: &Store) -> Result<Vec<String>, StoreError> {
    let mut wanted = vec![queue::RESULTS_QUEUE.to_owned()];
    wanted.extend(store.namespaces().await?.iter().map(Namespace::step_queue));
    let missing = sqlx::query_scalar(
        "SELECT w FROM unnest($1::text[]) w WHERE NOT EXISTS (SELECT 1 FROM pgmq.meta m WHERE m.queue_name = w)",
    )
    .bind(&wanted)
    .fetch_all(store.pool())
    .await?;
    Ok(missing)
}

/// Depth and age of every namespace's queue. Reads each queue table once.
///
/// # Errors
/// As for any statement.
pub async fn queue_depths(store: &Store) -> Result<Vec<QueueDepth>, StoreError> {
    let mut depths = Vec::new();
    for namespace in store.namespaces().await? {
        let statement = queue::for_namespace(
            "SELECT count(*) AS messages,
                    COALESCE(extract(epoch FROM clock_timestamp() - min(enqueued_at) FILTER (WHERE read_ct = 0)), 0)::float8
                    AS oldest
               FROM pgmq.{queue}",
            &namespace,
        );
        let row = sqlx::query(&statement).fetch_one(store.pool()).await?;
        depths.push(QueueDepth {
            namespace,
            messages: row.try_get("messages")?,
            oldest_seconds: row.try_get("oldest")?,
        });
    }
    Ok(depths)
}
