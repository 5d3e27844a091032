//! Claims: taking steps out of a queue, and keeping what was taken.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::front::Front;
use super::{queue, Attempt, Store, StoreError, BATCH_PATH};
use crate::config::Audit;
use crate::domain::Namespace;

const CLAIM: &str = concat!(
    include_str!("sql/claim.sql"),
    include_str!("sql/claimed.sql")
);
/// In `sql/claimed.sql`, where the steps are to be handed on.
const HAND_ON: &str = ",
           message = q.message || jsonb_build_object('handed_on', true)";
const CLAIM_LIVE: &str = include_str!("sql/claim_live.sql");
const RENEW: &str = include_str!("sql/renew.sql");

/// What writes the start of an attempt, after a CTE `started` of the steps it is of.
pub(super) fn start_audit(audit: Audit) -> &'static str {
    match audit {
        Audit::Folded => "",
        Audit::Live => CLAIM_LIVE,
    }
}

/// A step with an attempt under way.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub attempt: Attempt,
    pub inputs: Value,
    /// What an earlier attempt left in the step's results.
    pub previous_results: Value,
    pub correlation_id: Option<String>,
    pub traceparent: Option<String>,
}

/// Steps that were claimed together, and what they need besides their own rows.
#[derive(Debug, Default)]
pub struct Claim {
    /// In order of priority and age.
    pub steps: Vec<Claimed>,
    /// Contexts by task id.
    pub contexts: HashMap<i64, Value>,
    pub parents: Vec<ParentResults>,
    /// When to claim again without waiting for a wake: at once if there may be more
    /// steps, later if not the whole queue was read. `None`: everything was seen.
    pub again: Option<Duration>,
}

impl Claim {
    /// Reads the answer of `sql/claimed.sql`.
    pub(super) fn read(rows: Vec<PgRow>) -> Result<Self, StoreError> {
        let mut claim = Self::default();
        for row in rows {
            if row.try_get::<Option<i64>, _>("workflow_step_id")?.is_some() {
                claim.steps.push(claimed_of(&row)?);
            } else if let Some(children) = row.try_get("children")? {
                claim.parents.push(ParentResults {
                    named_step_id: row.try_get("named_step_id")?,
                    results: json_of(&row, "body")?,
                    children,
                });
            } else {
                let context = json_of(&row, "body")?;
                claim.contexts.insert(row.try_get("task_id")?, context);
            }
        }
        claim
            .steps
            .sort_unstable_by_key(|step| step.attempt.message_id);
        Ok(claim)
    }
}

/// Results of one parent, and the claimed steps it is a parent of.
#[derive(Debug)]
pub struct ParentResults {
    pub named_step_id: i32,
    pub results: Value,
    pub children: Vec<i64>,
}

/// What a renewal needs of a running step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub message_id: i64,
    pub token: i32,
}

/// A connection that claims steps of one namespace.
///
/// Its commits are asynchronous: a claim lost in a crash of the server leaves a
/// message that is visible again.
pub struct ClaimConnection {
    connection: PgConnection,
    claim: String,
    lease_ms: i64,
    front: Front,
}

impl ClaimConnection {
    /// For a process that runs what it claims.
    ///
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store, namespace: &Namespace) -> Result<Self, StoreError> {
        Self::open_as(store, namespace, "").await
    }

    /// For a process that hands on what it claims: a lease that ends before somebody has
    /// adopted the execution costs no attempt.
    ///
    /// # Errors
    /// As for any connection.
    pub async fn open_to_hand_on(store: &Store, namespace: &Namespace) -> Result<Self, StoreError> {
        Self::open_as(store, namespace, HAND_ON).await
    }

    async fn open_as(store: &Store, namespace: &Namespace, mark: &str) -> Result<Self, StoreError> {
        let settings = [&BATCH_PATH[..], &[("synchronous_commit", "off")]].concat();
        let live = start_audit(store.engine().audit);
        Ok(Self {
            connection: store.dedicated(&settings).await?,
            claim: queue::for_namespace(
                &CLAIM.replace("{live}", live).replace("{mark}", mark),
                namespace,
            ),
            lease_ms: store.engine().lease_ms as i64,
            front: Front::default(),
        })
    }

    /// Starts attempts of up to `limit` steps, in order of priority and age.
    ///
    /// Not cancel safe: a claim whose answer is not read runs out its lease.
    ///
    /// # Errors
    /// As for any statement; after one the connection should be opened anew.
    pub async fn claim(&mut self, limit: usize) -> Result<Claim, StoreError> {
        let reading = self.front.begin();
        let rows = sqlx::query(&self.claim)
            .bind(limit as i64)
            .bind(self.lease_ms)
            .bind(reading.from)
            .fetch_all(&mut self.connection)
            .await?;
        let mut claim = Claim::read(rows)?;
        let found = claim.steps.iter().map(|step| step.attempt.message_id);
        claim.again = self.front.end(reading, found, limit);
        // A step has one message; a later one, made by hand, is left to the repair.
        let mut seen = HashSet::with_capacity(claim.steps.len());
        claim.steps.retain(|step| seen.insert(step.attempt.step_id));
        Ok(claim)
    }
}

impl Store {
    /// Renews leases and returns the message ids of those that are lost: their
    /// steps were cancelled, completed by someone else or taken over.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn renew(
        &self,
        namespace: &Namespace,
        leases: &[Lease],
    ) -> Result<Vec<i64>, StoreError> {
        let messages: Vec<i64> = leases.iter().map(|l| l.message_id).collect();
        let tokens: Vec<i32> = leases.iter().map(|l| l.token).collect();
        let lost = sqlx::query_scalar(&queue::for_namespace(RENEW, namespace))
            .bind(&messages)
            .bind(&tokens)
            .bind(self.engine().lease_ms as i64)
            .fetch_all(self.pool())
            .await?;
        Ok(lost)
    }

    /// Stores what handlers said of their progress: (step, attempt, progress).
    ///
    /// # Errors
    /// As for any statement.
    pub async fn store_progress(&self, progress: &[(i64, i32, Value)]) -> Result<(), StoreError> {
        let steps: Vec<i64> = progress.iter().map(|p| p.0).collect();
        let attempts: Vec<i32> = progress.iter().map(|p| p.1).collect();
        let values: Vec<Value> = progress.iter().map(|p| p.2.clone()).collect();
        sqlx::query(
            "INSERT INTO tasker.step_progress (workflow_step_id, attempt, progress, reported_at)
             SELECT step_id, attempt, progress, statement_timestamp() AT TIME ZONE 'UTC'
               FROM unnest($1::bigint[], $2::integer[], $3::jsonb[]) AS p(step_id, attempt, progress)
             ON CONFLICT (workflow_step_id) DO UPDATE
                SET attempt = EXCLUDED.attempt, progress = EXCLUDED.progress,
                    reported_at = EXCLUDED.reported_at",
        )
        .bind(&steps)
        .bind(&attempts)
        .bind(&values)
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

fn json_of(row: &PgRow, column: &str) -> Result<Value, sqlx::Error> {
    Ok(row
        .try_get::<Option<Value>, _>(column)?
        .unwrap_or(Value::Null))
}

fn claimed_of(row: &PgRow) -> Result<Claimed, sqlx::Error> {
    Ok(Claimed {
        attempt: Attempt {
            step_id: row.try_get("workflow_step_id")?,
            task_id: row.try_get("task_id")?,
            attempt: row.try_get("attempts")?,
            message_id: row.try_get("msg_id")?,
            lease_token: row.try_get("read_ct")?,
            definition_id: row.try_get("definition_id")?,
            named_step_id: row.try_get("named_step_id")?,
            retry_limit: row.try_get("retry_limit")?,
            retryable: row.try_get("retryable")?,
        },
        inputs: json_of(row, "body")?,
        previous_results: json_of(row, "previous")?,
        correlation_id: row.try_get("correlation_id")?,
        traceparent: row.try_get("traceparent")?,
    })
}
