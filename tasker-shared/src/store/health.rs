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

/// Depth and age of every namespace's queue, in one statement. Reads each queue
/// table once.
///
/// # Errors
/// As for any statement.
pub async fn queue_depths(
    store: &Store,
    namespaces: &[Namespace],
) -> Result<Vec<QueueDepth>, StoreError> {
    let each: Vec<String> = namespaces
        .iter()
        .map(|ns| queue::for_namespace(DEPTH, ns))
        .collect();
    if each.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(&each.join(" UNION ALL "))
        .fetch_all(store.pool())
        .await?;
    let mut depths = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get("namespace")?;
        if let Ok(namespace) = Namespace::parse(&name) {
            depths.push(QueueDepth {
                namespace,
                messages: row.try_get("messages")?,
                oldest_seconds: row.try_get("oldest")?,
            });
        }
    }
    Ok(depths)
}

const DEPTH: &str = "
    SELECT '{namespace}' AS namespace, count(*) AS messages,
           COALESCE(extract(epoch FROM clock_timestamp() - min(enqueued_at) FILTER (WHERE read_ct = 0)), 0)::float8 AS oldest
      FROM pgmq.{queue}";
