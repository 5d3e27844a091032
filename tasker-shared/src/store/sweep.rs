//! The sweep: what brings steps back when nobody else will.
//!
//! Due retries and expired leases are its daily work. The repairs are a net
//! under the engine: they look for tasks whose messages do not add up, which
//! only a hand in the database can cause, and count what they mend. Any number
//! of orchestrators may sweep at once.

use std::time::Duration;

use sqlx::Row;

use super::{begin, queue, AdvanceConnection, Advanced, Store, StoreError};
use crate::domain::Namespace;

const DUE: &str = include_str!("sql/due.sql");
const SUSPECTS: &str = include_str!("sql/suspects.sql");
const REPAIR: &str = include_str!("sql/repair.sql");

/// Namespaces with due steps, and the time until the next one. Plan: `step_delays_due`.
const GLANCE: &str = "
    SELECT DISTINCT namespace, NULL::bigint AS next_ms
      FROM tasker.step_delays WHERE due_at <= statement_timestamp() AT TIME ZONE 'UTC'
    UNION ALL
    SELECT NULL, (extract(epoch FROM min(due_at) - (statement_timestamp() AT TIME ZONE 'UTC')) * 1000)::bigint
      FROM tasker.step_delays";

/// Whether a lease of a namespace has run out. Reads the queue until it finds one.
const GLANCE_QUEUE: &str = "
    UNION ALL
    (SELECT '{namespace}', NULL FROM pgmq.{queue} WHERE vt <= clock_timestamp() AND read_ct > 0 LIMIT 1)";

/// Most steps one statement of the sweep moves.
const SWEEP_BATCH: i64 = 500;

/// What one round did in one namespace.
#[derive(Debug, Default)]
pub struct Swept {
    /// Steps enqueued because their time had come.
    pub due: usize,
    /// Attempts ended because their lease ran out.
    pub lost: Advanced,
}

/// What waits for the sweep.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Namespaces with steps that are due or leases that have run out.
    pub busy: Vec<Namespace>,
    /// Time until the next step is due, if any waits; zero if one is due.
    pub next_due: Option<Duration>,
}

/// What the repairs mended in one namespace.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Repairs {
    /// Ready steps without a message, enqueued again.
    pub enqueued: usize,
    /// Messages without a step that could run, deleted.
    pub deleted: usize,
}

impl AdvanceConnection {
    /// One round for one namespace: due steps and expired leases, until none is left.
    ///
    /// # Errors
    /// As [`AdvanceConnection::advance`].
    pub async fn sweep(&mut self, namespace: &Namespace) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let statement = queue::for_namespace(DUE, namespace);
        loop {
            let moved = sqlx::query(&statement)
                .bind(SWEEP_BATCH)
                .fetch_all(&mut self.connection)
                .await?
                .len();
            swept.due += moved;
            if moved < SWEEP_BATCH as usize {
                break;
            }
        }
        swept.lost = self.reclaim(namespace, SWEEP_BATCH as usize).await?;
        Ok(swept)
    }
}

impl Store {
    /// Compares counters with messages and mends the tasks that differ.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn repair(&self, namespace: &Namespace) -> Result<Repairs, StoreError> {
        let mut transaction = begin(self.pool()).await?;
        let suspects: Vec<i64> = sqlx::query_scalar(&queue::for_namespace(SUSPECTS, namespace))
            .fetch_all(&mut *transaction)
            .await?;
        let mut repairs = Repairs::default();
        if suspects.is_empty() {
            return Ok(repairs);
        }
        let rows = sqlx::query(&queue::for_namespace(REPAIR, namespace))
            .bind(&suspects)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        for row in rows {
            match row.try_get::<&str, _>("kind")? {
                "enqueued" => repairs.enqueued += 1,
                _ => repairs.deleted += 1,
            }
        }
        Ok(repairs)
    }

    /// One look at what waits for the sweep in `namespaces`: a single statement,
    /// since most looks find nothing.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn glance(&self, namespaces: &[Namespace]) -> Result<Glance, StoreError> {
        let mut sql = String::from(GLANCE);
        for namespace in namespaces {
            sql.push_str(&queue::for_namespace(GLANCE_QUEUE, namespace));
        }
        let rows = sqlx::query(&sql).fetch_all(self.pool()).await?;
        let mut glance = Glance::default();
        for row in rows {
            let name: Option<String> = row.try_get("namespace")?;
            match name.as_deref().map(Namespace::parse) {
                Some(Ok(namespace)) => glance.busy.push(namespace),
                Some(Err(_)) => {}
                None => {
                    let wait: Option<i64> = row.try_get("next_ms")?;
                    glance.next_due =
                        wait.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
                }
            }
        }
        glance.busy.sort();
        glance.busy.dedup();
        Ok(glance)
    }

    /// Namespaces that have templates, in name order.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT namespace FROM tasker.templates ORDER BY 1")
                .fetch_all(self.pool())
                .await?;
        Ok(names
            .iter()
            .filter_map(|name| Namespace::parse(name).ok())
            .collect())
    }
}
