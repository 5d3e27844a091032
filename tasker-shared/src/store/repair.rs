//! The net under the engine: finds tasks whose messages do not add up, which only a
//! hand in the database can cause, and mends them.

use sqlx::Row;

use super::{begin, operate::EXHAUSTED, queue, Store, StoreError};
use crate::domain::Namespace;

const SUSPECTS: &str = include_str!("sql/suspects.sql");
const REPAIR: &str = include_str!("sql/repair.sql");

/// Namespaces in which something does not add up. Caller: orchestration, once a minute.
/// One snapshot, in which messages, delays and the counter of a task agree whatever
/// is going on. Reads queues, delays and task rows once each: an index of the
/// counter would cost every step a write. `{messages}`: [`MESSAGES`] of all queues.
const SURVEY: &str = "
    WITH messages AS MATERIALIZED ({messages}
    ), held AS MATERIALIZED (
        SELECT namespace, task_id, count(*) AS n
          FROM (SELECT namespace, task_id FROM messages
                UNION ALL
                SELECT namespace, task_id FROM tasker.step_delays) each
         GROUP BY namespace, task_id
    )
    SELECT 'known' AS kind, namespace FROM tasker.templates GROUP BY namespace
    UNION ALL
    SELECT 'suspect', r.namespace
      FROM tasker.task_runs r LEFT JOIN held h USING (namespace, task_id)
     WHERE r.namespace = ANY ($1) AND r.active <> COALESCE(h.n, 0)
     GROUP BY r.namespace";

const MESSAGES: &str = "
        SELECT '{namespace}' AS namespace, (message->>'task_id')::bigint AS task_id FROM pgmq.{queue}";

const ANY_EXHAUSTED: &str = "SELECT 'exhausted', '{namespace}' WHERE EXISTS (SELECT {exhausted})";

/// What a look at all namespaces has found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Namespaces that have templates, in name order.
    pub known: Vec<Namespace>,
    /// Namespaces with tasks for [`Store::repair`].
    pub suspect: Vec<Namespace>,
    /// Namespaces with steps for [`fail_exhausted`](super::operate::fail_exhausted).
    pub exhausted: Vec<Namespace>,
}

/// What the repairs mended in one namespace.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Repairs {
    /// Ready steps without a message, enqueued again.
    pub enqueued: usize,
    /// Messages without a step that could run, deleted.
    pub deleted: usize,
}

impl Store {
    /// Looks for work for the repairs in `namespaces`; a single statement, since
    /// there is none as a rule.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn survey(&self, namespaces: &[Namespace]) -> Result<Survey, StoreError> {
        let of_each = |sql: &str| -> Vec<String> {
            let each = namespaces.iter().map(|ns| queue::for_namespace(sql, ns));
            each.collect()
        };
        let mut messages = of_each(MESSAGES);
        if messages.is_empty() {
            messages.push("SELECT ''::text AS namespace, 0::bigint AS task_id WHERE false".into());
        }
        let mut parts = vec![SURVEY.replace("{messages}", &messages.join(" UNION ALL"))];
        parts.extend(of_each(&ANY_EXHAUSTED.replace("{exhausted}", EXHAUSTED)));
        let names: Vec<&str> = namespaces.iter().map(Namespace::as_str).collect();
        let rows = sqlx::query(&parts.join(" UNION ALL "))
            .bind(names)
            .fetch_all(self.pool())
            .await?;
        let mut survey = Survey::default();
        for row in rows {
            let Ok(namespace) = Namespace::parse(row.try_get("namespace")?) else {
                continue;
            };
            match row.try_get::<&str, _>("kind")? {
                "known" => survey.known.push(namespace),
                "suspect" => survey.suspect.push(namespace),
                _ => survey.exhausted.push(namespace),
            }
        }
        survey.known.sort();
        Ok(survey)
    }

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

    /// Namespaces that have templates, in name order.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT namespace FROM tasker.templates ORDER BY 1")
                .fetch_all(self.pool())
                .await?;
        Ok(queue::namespaces_of(&names))
    }
}
