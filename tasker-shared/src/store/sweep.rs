//! The sweep: what brings steps back when nobody else will.
//!
//! Due retries and leases that ran out are its daily work; any number of
//! orchestrators may do it at once. Its statements run on a connection for hot
//! statements: most looks find nothing, and they must cost the same however many
//! steps wait for a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::Row;

use super::{queue, AdvanceConnection, StoreError};
use crate::domain::Namespace;

const DUE: &str = include_str!("sql/due.sql");
const LEASES: &str = include_str!("sql/leases.sql");

/// Namespaces with due steps, and milliseconds until the next one. Plan: `step_delays_due`.
const DELAYS: &str = "
    SELECT 'due' AS kind, namespace, NULL::bigint AS ms, NULL::bigint[] AS messages
      FROM tasker.step_delays
     WHERE due_at <= statement_timestamp() AT TIME ZONE 'UTC'
     GROUP BY namespace
    UNION ALL
    SELECT 'delays', NULL,
           ceil(extract(epoch FROM min(due_at) - (statement_timestamp() AT TIME ZONE 'UTC')) * 1000)::bigint,
           NULL
      FROM tasker.step_delays";

/// A row if there are reports to be taken.
const REPORTS: &str = "
    SELECT 'reports', NULL, NULL, NULL
     WHERE EXISTS (SELECT FROM pgmq.q_step_results WHERE vt <= statement_timestamp())";

/// Most steps one statement of the sweep moves.
const SWEEP_BATCH: i64 = 500;

/// Behind this many steps that wait for their first claim, [`Reach::Front`] looks
/// for no lease: 5 ms of reading, where a look at 200,000 takes 90.
const FRONT: u32 = 10_000;

/// Steps that wait for a time.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Delays {
    /// Namespaces with steps whose time has come, in name order.
    pub due: Vec<Namespace>,
    /// Time until the next one is due, if any waits; zero if one is due.
    pub next: Option<Duration>,
}

/// How far into the queues a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As far as claims will come soon: its cost is bounded.
    Front,
    /// To the end, however long that takes.
    Whole,
}

/// What waits for orchestration.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Look {
    pub delays: Delays,
    /// Messages of running steps whose lease has ended.
    pub lost: BTreeMap<Namespace, Vec<i64>>,
    /// Time until the next lease ends, of those that were seen.
    pub next_end: Option<Duration>,
    /// Some queue was not read to its end.
    pub partial: bool,
    /// There are reports in the results queue.
    pub reports: bool,
}

impl AdvanceConnection {
    /// The steps that wait for a time; one statement.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn delays(&mut self) -> Result<Delays, StoreError> {
        Ok(self.read(DELAYS).await?.delays)
    }

    /// Everything that may wait for orchestration in `namespaces`; one statement.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn look(
        &mut self,
        namespaces: &[Namespace],
        reach: Reach,
    ) -> Result<Look, StoreError> {
        let depth = match reach {
            Reach::Front => FRONT.to_string(),
            Reach::Whole => "NULL".to_owned(),
        };
        let leases = LEASES.replace("{depth}", &depth);
        let each = namespaces
            .iter()
            .map(|ns| queue::for_namespace(&leases, ns));
        let mut parts = vec![DELAYS.to_owned(), REPORTS.to_owned()];
        parts.extend(each);
        self.read(&parts.join("\nUNION ALL\n")).await
    }

    async fn read(&mut self, sql: &str) -> Result<Look, StoreError> {
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await?;
        let mut look = Look::default();
        for row in rows {
            look.add(&row)?;
        }
        look.delays.due.sort();
        Ok(look)
    }

    /// Enqueues the steps of one namespace whose time has come, and returns how
    /// many there were.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn enqueue_due(&mut self, namespace: &Namespace) -> Result<usize, StoreError> {
        let statement = queue::for_namespace(DUE, namespace);
        let mut due = 0;
        loop {
            let moved = sqlx::query(&statement)
                .bind(SWEEP_BATCH)
                .fetch_all(&mut self.connection)
                .await?
                .len();
            due += moved;
            if moved < SWEEP_BATCH as usize {
                return Ok(due);
            }
        }
    }
}

impl Look {
    fn add(&mut self, row: &PgRow) -> Result<(), StoreError> {
        let name: Option<&str> = row.try_get("namespace")?;
        let namespace = name.and_then(|name| Namespace::parse(name).ok());
        let wait: Option<i64> = row.try_get("ms")?;
        let wait = wait.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
        match (row.try_get::<&str, _>("kind")?, namespace) {
            ("due", Some(namespace)) => self.delays.due.push(namespace),
            ("delays", _) => self.delays.next = wait,
            ("reports", _) => self.reports = true,
            (kind @ ("leases" | "front"), Some(namespace)) => {
                self.partial |= kind == "front";
                self.next_end = self.next_end.into_iter().chain(wait).min();
                let messages: Vec<i64> = row.try_get("messages")?;
                if !messages.is_empty() {
                    self.lost.insert(namespace, messages);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
