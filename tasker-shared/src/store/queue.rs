//! Queues: one PGMQ queue of steps per namespace, one of results for all.
//!
//! The tables are PGMQ's own and stay valid for PGMQ's functions. We tune them
//! after they are made and use prepared statements of our own on them, since
//! PGMQ's functions plan their dynamic SQL anew at every call.

use sqlx::{Executor as _, PgConnection};

use super::{Store, StoreError};
use crate::domain::Namespace;

/// The queue workers send their reports to.
pub const RESULTS_QUEUE: &str = "step_results";

/// Table of the results queue inside schema `pgmq`.
pub(super) const RESULTS_TABLE: &str = "q_step_results";

/// Table of a namespace's queue inside schema `pgmq`. A namespace consists of
/// lower-case letters, digits and `_`, so this is an identifier as it stands.
pub(super) fn steps_table(namespace: &Namespace) -> String {
    format!("q_{}", namespace.step_queue())
}

/// A statement made for one namespace: `{queue}` and `{namespace}` filled in.
pub(super) fn for_namespace(sql: &str, namespace: &Namespace) -> String {
    sql.replace("{queue}", &steps_table(namespace))
        .replace("{namespace}", namespace.as_str())
}

impl Store {
    /// Those of `namespaces` that have a step no worker holds; one statement. Its
    /// message may still be of no use to a claim.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn claimable(&self, namespaces: &[Namespace]) -> Result<Vec<Namespace>, StoreError> {
        let each: Vec<String> = namespaces
            .iter()
            .map(|namespace| for_namespace(ANY_VISIBLE, namespace))
            .collect();
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = sqlx::query_scalar(&each.join(" UNION ALL "))
            .fetch_all(self.pool())
            .await?;
        Ok(namespaces_of(&names))
    }
}

/// Names read from the database as namespaces; a name made by hand that is none has no
/// queue, and is left out.
pub(super) fn namespaces_of(names: &[String]) -> Vec<Namespace> {
    names
        .iter()
        .filter_map(|name| Namespace::parse(name).ok())
        .collect()
}

const ANY_VISIBLE: &str = "SELECT '{namespace}' WHERE EXISTS
    (SELECT FROM pgmq.{queue} WHERE vt <= statement_timestamp())";

/// Makes the queue of a namespace if it is not there.
///
/// # Errors
/// As for any statement; the caller's role needs to own schema `pgmq`.
pub async fn ensure_step_queue(
    connection: &mut PgConnection,
    namespace: &Namespace,
) -> Result<(), StoreError> {
    ensure(connection, &namespace.step_queue()).await
}

/// Makes the results queue if it is not there.
///
/// # Errors
/// As [`ensure_step_queue`].
pub async fn ensure_results_queue(connection: &mut PgConnection) -> Result<(), StoreError> {
    ensure(connection, RESULTS_QUEUE).await
}

async fn ensure(connection: &mut PgConnection, queue: &str) -> Result<(), StoreError> {
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pgmq.meta WHERE queue_name = $1)")
            .bind(queue)
            .fetch_one(&mut *connection)
            .await?;
    if exists {
        return Ok(());
    }
    sqlx::query("SELECT pgmq.create($1)")
        .bind(queue)
        .execute(&mut *connection)
        .await?;
    // Room for HOT updates on each page, and no index on the column every claim
    // and every renewal changes: 8 instead of 14 microseconds a message.
    // Vacuum early: a queue is mostly dead rows.
    let tune = format!(
        "ALTER TABLE pgmq.q_{queue} SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, \
         autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0); \
         DROP INDEX IF EXISTS pgmq.q_{queue}_vt_idx;"
    );
    // Text without arguments: several statements in one go. Through the trait,
    // since the future of `raw_sql` is not Send for every lifetime.
    connection.execute(tune.as_str()).await?;
    Ok(())
}
