//! Advance: the one routine that ends attempts and moves tasks on.
//!
//! Judges each report by the step's policy (pure, in `domain`), then applies
//! the whole batch in one statement per namespace. Orchestration calls it for
//! what it takes from the results queue; a process that holds both roles calls
//! it directly.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{json, Value};
use sqlx::{PgConnection, Row};

use super::{queue, Attempt, Report, Store, StoreError, BATCH_PATH};
use crate::domain::{decide, AttemptLimits, Change, Namespace, Outcome, State, StepError};
use crate::telemetry;

const ADVANCE: &str = concat!(
    include_str!("sql/advance.sql"),
    include_str!("sql/propagate.sql")
);
const LOST: &str = include_str!("sql/lost.sql");

/// What a batch did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// Attempts whose outcome was applied.
    pub applied: usize,
    /// Reports that matched no running attempt and changed nothing.
    pub stale: Vec<Attempt>,
    /// Steps that were enqueued.
    pub enqueued: usize,
    /// Steps that wait for a due time now: `retried` of them for another attempt,
    /// the others for a worker with their handler.
    pub delayed: usize,
    pub retried: usize,
    /// Attempts that were given back and do not count.
    pub handed_back: usize,
    /// Steps that have no attempt left.
    pub failed: usize,
    /// Tasks that reached a final state.
    pub finished: Vec<(i64, State)>,
}

/// A connection of its own that applies outcomes.
pub struct AdvanceConnection {
    pub(super) connection: PgConnection,
    store: Store,
    statements: HashMap<Namespace, String>,
}

impl AdvanceConnection {
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            connection: store.dedicated(&BATCH_PATH).await?,
            store: store.clone(),
            statements: HashMap::new(),
        })
    }

    /// Applies a batch, one transaction for each namespace in it, and returns
    /// what was done in each. Reports may come in any order and any mix; two for
    /// the same execution are one and a stale one.
    ///
    /// Not cancel safe: the batch may or may not have been applied. Applying it
    /// again is safe, everything in it is stale then.
    ///
    /// # Errors
    /// As for any statement; after one the connection should be opened anew. The
    /// namespaces before the failing one have been applied.
    pub async fn advance(
        &mut self,
        reports: Vec<Report>,
    ) -> Result<BTreeMap<Namespace, Advanced>, StoreError> {
        let mut by_namespace: BTreeMap<Namespace, Vec<(Attempt, Decided)>> = BTreeMap::new();
        for report in reports {
            let (namespace, decided) = self.judge(report).await?;
            by_namespace.entry(namespace).or_default().push(decided);
        }
        let mut done = BTreeMap::new();
        for (namespace, decided) in by_namespace {
            let advanced = self.apply(&namespace, decided).await?;
            done.insert(namespace, advanced);
        }
        Ok(done)
    }

    /// Ends the attempts of one namespace whose lease has run out; `messages` are
    /// those that [`look`](Self::look) has found.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub async fn reclaim(
        &mut self,
        namespace: &Namespace,
        messages: &[i64],
    ) -> Result<Advanced, StoreError> {
        let rows = sqlx::query(&queue::for_namespace(LOST, namespace))
            .bind(messages)
            .fetch_all(&mut self.connection)
            .await?;
        let mut decided = Vec::with_capacity(rows.len());
        for row in rows {
            let attempt = Attempt {
                step_id: row.try_get("workflow_step_id")?,
                task_id: row.try_get("task_id")?,
                attempt: row.try_get("attempts")?,
                message_id: row.try_get("msg_id")?,
                lease_token: row.try_get("read_ct")?,
                definition_id: row.try_get("definition_id")?,
                named_step_id: row.try_get("named_step_id")?,
                retry_limit: row.try_get("retry_limit")?,
                retryable: row.try_get("retryable")?,
            };
            let outcome = Outcome::Failure {
                error: StepError::lost(),
            };
            let (_, (attempt, mut lost)) = self
                .judge(Report {
                    attempt,
                    outcome,
                    stored: false,
                })
                .await?;
            lost.only_expired = true;
            decided.push((attempt, lost));
        }
        if decided.is_empty() {
            return Ok(Advanced::default());
        }
        self.apply(namespace, decided).await
    }

    async fn judge(&self, report: Report) -> Result<(Namespace, (Attempt, Decided)), StoreError> {
        let attempt = report.attempt;
        let definition = self.store.definition(attempt.definition_id).await?;
        let limits = AttemptLimits {
            attempt: attempt.attempt.unsigned_abs(),
            retry_limit: attempt.retry_limit.unsigned_abs(),
            retryable: attempt.retryable,
            max_requested_delay_ms: self.store.engine().retry_after_max_seconds * 1000,
        };
        let policy = definition.retry_policy(attempt.named_step_id);
        let change = decide(report.outcome, limits, &policy, &mut rand::rng());
        let decided = Decided::new(change, report.stored);
        Ok((definition.namespace().clone(), (attempt, decided)))
    }

    async fn apply(
        &mut self,
        namespace: &Namespace,
        decided: Vec<(Attempt, Decided)>,
    ) -> Result<Advanced, StoreError> {
        let statement = self
            .statements
            .entry(namespace.clone())
            .or_insert_with(|| queue::for_namespace(ADVANCE, namespace));
        let batch = Batch::of(decided);
        let since = std::time::Instant::now();
        let row = sqlx::query(statement)
            .bind(&batch.steps)
            .bind(&batch.tasks)
            .bind(&batch.numbers)
            .bind(&batch.messages)
            .bind(&batch.tokens)
            .bind(&batch.changes)
            .bind(&batch.payloads)
            .bind(&batch.delays)
            .bind(&batch.errors)
            .bind(&batch.notes)
            .bind(&batch.backoffs)
            .bind(&batch.only_expired)
            .fetch_one(&mut self.connection)
            .await?;
        metrics::histogram!(telemetry::ADVANCE_DURATION_SECONDS)
            .record(since.elapsed().as_secs_f64());
        metrics::histogram!(telemetry::ADVANCE_BATCH_STEPS).record(batch.steps.len() as f64);
        let applied: Vec<i64> = row.try_get("applied")?;
        let mut applied: HashSet<i64> = applied.into_iter().collect();
        let finished: Vec<i64> = row.try_get("finished")?;
        let states: Vec<String> = row.try_get("states")?;
        let states = states.iter().map(|state| State::parse(state));
        let mut advanced = Advanced {
            enqueued: row.try_get::<i64, _>("enqueued")? as usize,
            finished: finished
                .into_iter()
                .zip(states)
                .filter_map(|(task, state)| Some((task, state?)))
                .collect(),
            ..Advanced::default()
        };
        for (attempt, change) in batch.attempts.iter().zip(&batch.changes) {
            // The second report of one execution finds the step gone from
            // `applied`, as it finds its message gone from the queue.
            if !applied.remove(&attempt.step_id) {
                advanced.stale.push(*attempt);
                continue;
            }
            advanced.applied += 1;
            match *change {
                code::HAND_BACK => {
                    advanced.handed_back += 1;
                    advanced.enqueued += 1;
                }
                code::RETRY => {
                    advanced.retried += 1;
                    advanced.delayed += 1;
                }
                code::PARK => advanced.delayed += 1,
                code::FAIL => advanced.failed += 1,
                _ => {}
            }
        }
        Ok(advanced)
    }
}

/// Changes as advance.sql knows them.
mod code {
    pub(super) const COMPLETE: i16 = 1;
    pub(super) const RETRY: i16 = 2;
    pub(super) const FAIL: i16 = 3;
    pub(super) const HAND_BACK: i16 = 4;
    pub(super) const PARK: i16 = 5;
    pub(super) const COMPLETE_STORED: i16 = 6;
}

/// A change in the columns of advance.sql.
struct Decided {
    change: i16,
    payload: Option<Value>,
    delay_ms: i64,
    error: Option<Value>,
    note: Option<String>,
    backoff_seconds: Option<i32>,
    only_expired: bool,
}

impl Decided {
    fn new(change: Change, stored: bool) -> Self {
        let plain = |change| Self {
            change,
            payload: None,
            delay_ms: 0,
            error: None,
            note: None,
            backoff_seconds: None,
            only_expired: false,
        };
        match change {
            Change::Complete { .. } if stored => plain(code::COMPLETE_STORED),
            Change::Complete { results } => Self {
                payload: Some(results),
                ..plain(code::COMPLETE)
            },
            Change::Retry { error, delay_ms } => Self {
                delay_ms: delay_ms as i64,
                backoff_seconds: error.retry_after_ms.map(|_| delay_ms.div_ceil(1000) as i32),
                ..plain(code::RETRY).failing(&error)
            },
            Change::Fail { error } => plain(code::FAIL).failing(&error),
            Change::HandBack => plain(code::HAND_BACK),
            Change::Park {
                handler_class,
                delay_ms,
            } => Self {
                delay_ms: delay_ms as i64,
                note: Some(handler_class),
                ..plain(code::PARK)
            },
        }
    }

    fn failing(self, error: &StepError) -> Self {
        Self {
            payload: Some(error.result_keys()),
            note: Some(error.kind.as_str().to_owned()),
            error: Some(serde_json::to_value(error).unwrap_or_else(|_| json!(error.message))),
            ..self
        }
    }
}

/// The parameter arrays of advance.sql.
#[derive(Default)]
struct Batch {
    attempts: Vec<Attempt>,
    steps: Vec<i64>,
    tasks: Vec<i64>,
    numbers: Vec<i32>,
    messages: Vec<i64>,
    tokens: Vec<i32>,
    changes: Vec<i16>,
    payloads: Vec<Option<Value>>,
    delays: Vec<i64>,
    errors: Vec<Option<Value>>,
    notes: Vec<Option<String>>,
    backoffs: Vec<Option<i32>>,
    only_expired: Vec<bool>,
}

impl Batch {
    fn of(decided: Vec<(Attempt, Decided)>) -> Self {
        let mut batch = Self::default();
        for (attempt, change) in decided {
            batch.steps.push(attempt.step_id);
            batch.tasks.push(attempt.task_id);
            batch.numbers.push(attempt.attempt);
            batch.messages.push(attempt.message_id);
            batch.tokens.push(attempt.lease_token);
            batch.changes.push(change.change);
            batch.payloads.push(change.payload);
            batch.delays.push(change.delay_ms);
            batch.errors.push(change.error);
            batch.notes.push(change.note);
            batch.backoffs.push(change.backoff_seconds);
            batch.only_expired.push(change.only_expired);
            batch.attempts.push(attempt);
        }
        batch
    }
}
