//! Adoption: an execution that one process has claimed goes over to another one.
//!
//! A worker that runs its steps as jobs of a host's queue claims them and hands on no
//! more than their names ([`Handed`]). Whoever gets such a name adopts the execution: the
//! lease token rises, so the fence lets nobody else renew or report it. It is the same
//! attempt; only its lease has another holder.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::claim::{Claim, Lease};
use super::{queue, Store, StoreError, BATCH_PATH};
use crate::domain::Namespace;

const ADOPT: &str = concat!(
    include_str!("sql/adopt.sql"),
    include_str!("sql/claimed.sql")
);

/// In `sql/claimed.sql`: from now on the execution is lost with its process.
const TAKEN_ON: &str = ",
           message = q.message - 'handed_on'";

/// Which leases their holder has no more. Plan: the queue's primary key.
const GONE: &str = "
    SELECT h.msg_id
      FROM unnest($1::bigint[], $2::integer[]) AS h(msg_id, token)
      LEFT JOIN pgmq.{queue} q ON q.msg_id = h.msg_id AND q.msg_id = ANY ($1)
     WHERE q.read_ct IS DISTINCT FROM h.token";

/// Names an execution that was handed on, within its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handed {
    pub step_id: i64,
    pub attempt: i32,
    /// As of its claim.
    pub lease: Lease,
}

/// A connection that adopts executions of any namespace.
///
/// Its commits are asynchronous, as those of claims.
pub struct AdoptConnection {
    connection: PgConnection,
    lease_ms: i64,
    statements: HashMap<Namespace, Statements>,
}

/// Of one namespace.
struct Statements {
    adopt: String,
    gone: String,
}

impl AdoptConnection {
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let settings = [&BATCH_PATH[..], &[("synchronous_commit", "off")]].concat();
        Ok(Self {
            connection: store.dedicated(&settings).await?,
            lease_ms: store.engine().lease_ms as i64,
            statements: HashMap::new(),
        })
    }

    /// Adopts those of `handed` that are still as they were handed on, and whose rows
    /// nobody has locked at the moment. Which of the others can never be adopted,
    /// [`gone`](Self::gone) says.
    ///
    /// Not cancel safe: an adoption whose answer is not read runs out its lease.
    ///
    /// # Errors
    /// As for any statement; after one the connection should be opened anew.
    pub async fn adopt(
        &mut self,
        namespace: &Namespace,
        handed: &[Handed],
    ) -> Result<Claim, StoreError> {
        let (messages, tokens) = columns(handed.iter().map(|h| h.lease));
        let steps: Vec<i64> = handed.iter().map(|h| h.step_id).collect();
        let attempts: Vec<i32> = handed.iter().map(|h| h.attempt).collect();
        let rows = sqlx::query(&of(&mut self.statements, namespace).adopt)
            .bind(&messages)
            .bind(self.lease_ms)
            .bind(&tokens)
            .bind(&steps)
            .bind(&attempts)
            .fetch_all(&mut self.connection)
            .await?;
        Claim::read(rows)
    }

    /// As [`Store::gone`], on this connection.
    ///
    /// # Errors
    /// As [`adopt`](Self::adopt).
    pub async fn gone(
        &mut self,
        namespace: &Namespace,
        leases: &[Lease],
    ) -> Result<Vec<i64>, StoreError> {
        let (messages, tokens) = columns(leases.iter().copied());
        let gone = sqlx::query_scalar(&of(&mut self.statements, namespace).gone)
            .bind(&messages)
            .bind(&tokens)
            .fetch_all(&mut self.connection)
            .await?;
        Ok(gone)
    }
}

fn of<'a>(
    statements: &'a mut HashMap<Namespace, Statements>,
    namespace: &Namespace,
) -> &'a Statements {
    statements
        .entry(namespace.clone())
        .or_insert_with(|| Statements {
            // The start of the attempt is audited at the claim.
            adopt: queue::for_namespace(
                &ADOPT.replace("{live}", "").replace("{mark}", TAKEN_ON),
                namespace,
            ),
            gone: queue::for_namespace(GONE, namespace),
        })
}

impl Store {
    /// Message ids of those leases whose holder has them no more: somebody else has
    /// adopted the execution, or it has ended.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn gone(
        &self,
        namespace: &Namespace,
        leases: &[Lease],
    ) -> Result<Vec<i64>, StoreError> {
        let (messages, tokens) = columns(leases.iter().copied());
        let gone = sqlx::query_scalar(&queue::for_namespace(GONE, namespace))
            .bind(&messages)
            .bind(&tokens)
            .fetch_all(self.pool())
            .await?;
        Ok(gone)
    }
}

fn columns(leases: impl Iterator<Item = Lease>) -> (Vec<i64>, Vec<i32>) {
    leases.map(|lease| (lease.message_id, lease.token)).unzip()
}
