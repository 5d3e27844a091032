//! The results queue: reports on their way from workers to orchestration.
//!
//! A message carries the reports of one flush of one worker, not one report: the
//! queue then costs a row per batch. Results too large to ride along are written
//! to the step's row by the worker, under the same fence, before the message is
//! sent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Executor, PgConnection, Row};

use super::front::Front;
use super::queue::{self, RESULTS_TABLE};
use super::waking::Wakes;
use super::{AdvanceConnection, Advanced, Report, Store, StoreError, HOT_PATH};
use crate::announce::reasons;
use crate::domain::{Namespace, Outcome, StepError};
use crate::messaging::{Channel, WAKE_CHANNEL};

/// Most reports in one message. A transaction takes as many messages as can hold
/// `engine.batch_max_steps` reports together.
const REPORTS_PER_MESSAGE: usize = 50;

#[derive(Serialize, Deserialize)]
struct Message<R> {
    reports: R,
}

/// Writes results that are too large for a message to the row of their step.
/// LOCKS: the task, as every change to its steps; then message and step. FENCE: as
/// in advance.sql; the number of the attempt alone is not enough, for an operator's
/// retry uses it again.
/// $1 results, $2 step id, $3 attempt, $4 message id, $5 lease token, $6 task id.
const STORE_RESULTS: &str = "
    WITH locked AS MATERIALIZED (
        SELECT task_id FROM tasker.task_runs WHERE task_id = $6 FOR NO KEY UPDATE
    ), fence AS MATERIALIZED (
        SELECT 1 FROM pgmq.{queue}
         WHERE msg_id = $4 AND read_ct = $5 AND EXISTS (SELECT 1 FROM locked) FOR KEY SHARE
    )
    UPDATE tasker_workflow_steps SET results = $1
     WHERE workflow_step_id = $2 AND attempts = $3 AND in_process AND EXISTS (SELECT 1 FROM fence)";

/// A worker's connection for sending reports. Commits are synchronous: a report
/// that was sent survives.
pub struct ReportConnection {
    store: Store,
    connection: PgConnection,
    inline_max_bytes: usize,
    send: String,
    /// The same, and others are woken by its commit.
    send_and_wake: String,
    wakes: Wakes,
}

impl ReportConnection {
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let send = format!(
            "INSERT INTO pgmq.{RESULTS_TABLE} (vt, message)
             SELECT clock_timestamp(), m FROM unnest($1::jsonb[]) m"
        );
        Ok(Self {
            store: store.clone(),
            connection: store.dedicated(&HOT_PATH).await?,
            inline_max_bytes: store.engine().results_inline_max_bytes,
            send_and_wake: format!("WITH sent AS ({send}) SELECT pg_notify('{WAKE_CHANNEL}', $2)"),
            send,
            wakes: Wakes::No,
        })
    }

    /// Wakes orchestration for what it sends.
    #[must_use]
    pub fn waking(mut self) -> Self {
        self.wakes = Wakes::After;
        self
    }

    /// Sends reports. Sending again after an error is safe: the second report of
    /// an execution is stale.
    ///
    /// # Errors
    /// As for any statement; after one the connection should be opened anew.
    pub async fn send(&mut self, reports: &[Report]) -> Result<(), StoreError> {
        let mut light = Vec::with_capacity(reports.len());
        let mut heavy = Vec::new();
        for report in reports {
            match self.split(report) {
                Some((attempt_only, results)) => {
                    let definition = self.store.definition(report.attempt.definition_id).await?;
                    heavy.push((
                        queue::for_namespace(STORE_RESULTS, definition.namespace()),
                        report,
                        results,
                    ));
                    light.push(attempt_only);
                }
                None => light.push(report.clone()),
            }
        }
        let messages: Vec<Json<Message<&[Report]>>> = light
            .chunks(REPORTS_PER_MESSAGE.min(self.store.engine().batch_max_steps))
            .map(|reports| Json(Message { reports }))
            .collect();
        // A transaction each: with several task locks at once their order would
        // matter. What is stored and then not reported is overwritten by the next
        // attempt.
        for (statement, report, results) in heavy {
            sqlx::query(&statement)
                .bind(results)
                .bind(report.attempt.step_id)
                .bind(report.attempt.attempt)
                .bind(report.attempt.message_id)
                .bind(report.attempt.lease_token)
                .bind(report.attempt.task_id)
                .execute(&mut self.connection)
                .await?;
        }
        let (hub, reasons) = (self.store.hub(), [Channel::Results]);
        let ride = self.wakes.ride(hub, &reasons).pop();
        let query = match &ride {
            Some(payload) => sqlx::query(&self.send_and_wake)
                .bind(&messages)
                .bind(payload),
            None => sqlx::query(&self.send).bind(&messages),
        };
        query.execute(&mut self.connection).await?;
        self.wakes.tell(hub, &reasons, ride.is_some());
        self.wakes = self.wakes.proven();
        Ok(())
    }

    /// A report whose results are too large for a message, without them.
    fn split<'a>(&self, report: &'a Report) -> Option<(Report, &'a Value)> {
        let results = match &report.outcome {
            Outcome::Success { results } => results,
            Outcome::Failure { error } => error.results.as_ref()?,
            Outcome::HandedBack | Outcome::NoHandler { .. } => return None,
        };
        if !is_larger_than(results, self.inline_max_bytes) {
            return None;
        }
        let outcome = match &report.outcome {
            Outcome::Failure { error } => {
                let error = StepError {
                    results: None,
                    ..error.clone()
                };
                Outcome::Failure { error }
            }
            _ => Outcome::Success {
                results: Value::Null,
            },
        };
        Some((
            Report {
                attempt: report.attempt,
                outcome,
                stored: true,
            },
            results,
        ))
    }
}

/// Whether the JSON text of `value` is longer than `limit`, without building it.
fn is_larger_than(value: &Value, limit: usize) -> bool {
    struct Budget(usize);
    impl std::io::Write for Budget {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::WriteZero)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Budget(limit), value).is_err()
}

/// What one transaction took from the results queue.
#[derive(Debug, Default)]
pub struct ResultsTaken {
    pub messages: usize,
    /// When to look again without waiting for a wake, as for a claim.
    pub again: Option<Duration>,
    pub reports: usize,
    pub advanced: BTreeMap<Namespace, Advanced>,
    /// Messages that were no batch of reports; kept in `tasker.unreadable_messages`.
    pub unreadable: usize,
}

/// Orchestration's connection for applying what is in the results queue.
pub struct ResultConnection {
    advance: AdvanceConnection,
    messages_max: usize,
    front: Front,
    wakes: Wakes,
}

impl ResultConnection {
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let mut advance = AdvanceConnection::open(store).await?;
        // By name, so that one message to the server can begin the transaction and take.
        let take = format!(
            "PREPARE take_results (bigint, bigint) AS
             DELETE FROM pgmq.{RESULTS_TABLE}
              WHERE msg_id = ANY (ARRAY(
                    SELECT msg_id FROM pgmq.{RESULTS_TABLE}
                     WHERE msg_id >= $2 AND vt <= clock_timestamp()
                     ORDER BY msg_id LIMIT $1 FOR UPDATE SKIP LOCKED))
             RETURNING msg_id, message"
        );
        advance.connection.execute(take.as_str()).await?;
        Ok(Self {
            advance,
            messages_max: (store.engine().batch_max_steps / REPORTS_PER_MESSAGE).max(1),
            front: Front::default(),
            wakes: Wakes::No,
        })
    }

    /// Wakes whoever has something to do by what it applies.
    #[must_use]
    pub fn waking(mut self) -> Self {
        self.wakes = Wakes::After;
        self
    }

    /// Takes messages, applies their reports and deletes them, all in one
    /// transaction. The rows stay locked meanwhile instead of being leased, so
    /// that nothing has to time out when this process dies.
    ///
    /// # Errors
    /// As for any statement. The connection must be opened anew then: it may be
    /// inside a transaction, which the server rolls back when it closes.
    pub async fn process(&mut self) -> Result<ResultsTaken, StoreError> {
        self.process_up_to(self.messages_max).await
    }

    /// As [`process`](Self::process), one message: to find the one that fails.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub async fn process_one(&mut self) -> Result<ResultsTaken, StoreError> {
        self.process_up_to(1).await
    }

    async fn process_up_to(&mut self, limit: usize) -> Result<ResultsTaken, StoreError> {
        let (messages, again) = self.begin_and_take(limit).await?;
        let mut taken = ResultsTaken {
            messages: messages.len(),
            again,
            ..ResultsTaken::default()
        };
        if messages.is_empty() {
            self.run("ROLLBACK").await?;
            return Ok(taken);
        }
        let mut reports = Vec::new();
        for message in messages {
            match serde_json::from_str::<Message<Vec<Report>>>(message.get()) {
                Ok(mut batch) => reports.append(&mut batch.reports),
                Err(problem) => {
                    taken.unreadable += 1;
                    self.keep_unreadable(message, &problem.to_string()).await?;
                }
            }
        }
        taken.reports = reports.len();
        taken.advanced = self.advance.advance(reports).await?;
        let reasons = reasons(&taken.advanced);
        let rides = self.wakes.ride(self.advance.store().hub(), &reasons);
        self.commit(&rides).await?;
        let hub = self.advance.store().hub();
        self.wakes.tell(hub, &reasons, !rides.is_empty());
        self.wakes = self.wakes.proven();
        Ok(taken)
    }

    /// Begins a transaction, takes the oldest messages out of the queue, in any order, and
    /// says when to look again. As text: whatever is in it, it can be read and set aside,
    /// and a tree made only to be read into reports would cost more than reading them.
    async fn begin_and_take(
        &mut self,
        limit: usize,
    ) -> Result<(Vec<Box<RawValue>>, Option<Duration>), StoreError> {
        let reading = self.front.begin();
        let take = format!("BEGIN; EXECUTE take_results ({limit}, '{}')", reading.from);
        let rows = self.advance.connection.fetch_all(take.as_str()).await?;
        let mut ids: Vec<i64> = Vec::with_capacity(rows.len());
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            ids.push(row.try_get("msg_id")?);
            let Json(text): Json<Box<RawValue>> = row.try_get("message")?;
            messages.push(text);
        }
        let again = self.front.end(reading, ids.into_iter(), limit);
        Ok((messages, again))
    }

    /// Moves the oldest message aside, after it has failed by itself. The steps
    /// in it run again when their leases end.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub async fn set_aside_one(&mut self, problem: &str) -> Result<(), StoreError> {
        for message in self.begin_and_take(1).await?.0 {
            self.keep_unreadable(message, problem).await?;
        }
        self.commit(&[]).await
    }

    async fn keep_unreadable(
        &mut self,
        message: Box<RawValue>,
        problem: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tasker.unreadable_messages (queue, message, problem) VALUES ($1, $2, $3)",
        )
        .bind(super::queue::RESULTS_QUEUE)
        .bind(Json(message))
        .bind(problem)
        .execute(&mut self.advance.connection)
        .await?;
        Ok(())
    }

    /// Commits, and wakes others with it: one message to the server.
    async fn commit(&mut self, wakes: &[String]) -> Result<(), StoreError> {
        // Payloads are made of names of namespaces, which need no quoting.
        let wakes = wakes
            .iter()
            .map(|payload| format!("NOTIFY {WAKE_CHANNEL}, '{payload}'; "));
        let text: String = wakes.chain(["COMMIT".to_owned()]).collect();
        self.run(&text).await
    }

    /// Without parameters, so that several statements may be one message.
    async fn run(&mut self, statements: &str) -> Result<(), StoreError> {
        self.advance.connection.execute(statements).await?;
        Ok(())
    }
}
