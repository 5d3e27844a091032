//! Advance: the one routine that ends attempts and moves tasks on.
//!
//! Judges each report by the step's policy (pure, in `domain`), then applies
//! the whole batch in one statement per namespace. Orchestration calls it for
//! what it takes from the results queue; a process that holds both roles calls
//! it directly.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use serde_json::{json, Value};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::claim::start_audit;
use super::parked::Parked;
use super::take::{self, Room, Taken};
use super::{queue, Attempt, Report, Store, StoreError, BATCH_PATH};
use crate::config::Audit;
use crate::domain::{decide, AttemptLimits, Change, Namespace, Outcome, State, StepError};
use crate::telemetry;

const ADVANCE: &str = concat!(
    include_str!("sql/advance.sql"),
    include_str!("sql/propagate.sql"),
    include_str!("sql/enqueue.sql"),
    include_str!("sql/settle.sql")
);
/// The same, and the worker goes on with children of what it reports.
const ADVANCE_AND_TAKE: &str = concat!(
    include_str!("sql/advance.sql"),
    include_str!("sql/propagate.sql"),
    include_str!("sql/take.sql"),
    include_str!("sql/settle.sql"),
    include_str!("sql/taken.sql")
);
const LOST: &str = include_str!("sql/lost.sql");

/// What a batch did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// Attempts whose outcome was applied.
    pub applied: usize,
    /// Reports that matched no running attempt and changed nothing.
    pub stale: Vec<Attempt>,
    /// Steps that were enqueued and wait to be claimed.
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
    statements: HashMap<Namespace, Statements>,
    parked: Parked,
}

/// Of one namespace.
struct Statements {
    advance: String,
    take: String,
}

impl Statements {
    fn of(namespace: &Namespace, audit: Audit) -> Self {
        let take = ADVANCE_AND_TAKE.replace("{live}", start_audit(audit));
        Self {
            advance: queue::for_namespace(ADVANCE, namespace),
            take: queue::for_namespace(&take, namespace),
        }
    }
}

impl AdvanceConnection {
    /// # Errors
    /// As for any connection.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            connection: store.dedicated(&BATCH_PATH).await?,
            store: store.clone(),
            statements: HashMap::new(),
            parked: Parked::default(),
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
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
        let (advanced, _) = self.advance_and_take(reports, &Room::default()).await?;
        Ok(advanced)
    }

    /// As [`advance`](Self::advance), and starts attempts of steps that became ready by
    /// it, as far as there is `room` for them: of these the caller has the lease.
    ///
    /// Not cancel safe: attempts whose start is not read run out their leases.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub async fn advance_and_take(
        &mut self,
        reports: Vec<Report>,
        room: &Room,
    ) -> Result<(BTreeMap<Namespace, Advanced>, Vec<Taken>), StoreError> {
        let mut by_namespace: BTreeMap<Namespace, Vec<(Attempt, Decided)>> = BTreeMap::new();
        for report in reports {
            let (namespace, decided) = self.judge(report).await?;
            by_namespace.entry(namespace).or_default().push(decided);
        }
        let (mut done, mut taken) = (BTreeMap::new(), Vec::new());
        for (namespace, decided) in by_namespace {
            let left = room.steps - taken.len();
            let advanced = self
                .apply(&namespace, decided, room, left, &mut taken)
                .await?;
            done.insert(namespace, advanced);
        }
        Ok((done, taken))
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
            let outcome = if row.try_get("handed_on")? {
                Outcome::HandedBack
            } else {
                Outcome::Failure {
                    error: StepError::lost(),
                }
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
        let none = Room::default();
        self.apply(namespace, decided, &none, 0, &mut Vec::new())
            .await
    }

    async fn judge(
        &mut self,
        report: Report,
    ) -> Result<(Namespace, (Attempt, Decided)), StoreError> {
        let attempt = report.attempt;
        let definition = self.store.definition(attempt.definition_id).await?;
        let offered = match report.outcome {
            Outcome::NoHandler { .. } => self.parked.count(attempt.step_id, Instant::now()),
            _ => 0,
        };
        let limits = AttemptLimits {
            attempt: attempt.attempt.unsigned_abs(),
            retry_limit: attempt.retry_limit.unsigned_abs(),
            retryable: attempt.retryable,
            max_requested_delay_ms: self.store.engine().retry_after_max_seconds * 1000,
            offered,
        };
        let policy = definition.retry_policy(attempt.named_step_id);
        let change = decide(report.outcome, limits, &policy, &mut rand::rng());
        let decided = Decided::new(change, report.stored);
        Ok((definition.namespace().clone(), (attempt, decided)))
    }

    /// Applies outcomes of one namespace; up to `most` steps that it starts are added
    /// to `taken`.
    async fn apply(
        &mut self,
        namespace: &Namespace,
        decided: Vec<(Attempt, Decided)>,
        room: &Room,
        most: usize,
        taken: &mut Vec<Taken>,
    ) -> Result<Advanced, StoreError> {
        let audit = self.store.engine().audit;
        let statements = self
            .statements
            .entry(namespace.clone())
            .or_insert_with(|| Statements::of(namespace, audit));
        let batch = Batch::of(decided);
        let go_on = most > 0 && !room.after.is_empty();
        let since = Instant::now();
        let mut query = sqlx::query(if go_on {
            &statements.take
        } else {
            &statements.advance
        })
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
        .bind(&batch.replaces);
        if go_on {
            let lease_ms = self.store.engine().lease_ms as i64;
            query = query.bind(&room.after).bind(most as i64).bind(lease_ms);
        }
        let row = query.fetch_one(&mut self.connection).await?;
        metrics::histogram!(telemetry::ADVANCE_DURATION_SECONDS)
            .record(since.elapsed().as_secs_f64());
        metrics::histogram!(telemetry::ADVANCE_BATCH_STEPS).record(batch.steps.len() as f64);
        let before = taken.len();
        if go_on {
            take::read(&row, &batch.attempts, taken)?;
        }
        let mut advanced = Advanced::read(&row, &batch)?;
        advanced.enqueued -= taken.len() - before;
        Ok(advanced)
    }
}

impl Advanced {
    /// Reads the answer to `batch`.
    fn read(row: &PgRow, batch: &Batch) -> Result<Self, StoreError> {
        let applied: Vec<i64> = row.try_get("applied")?;
        let mut applied: HashSet<i64> = applied.into_iter().collect();
        let finished: Vec<i64> = row.try_get("finished")?;
        let states: Vec<String> = row.try_get("states")?;
        let states = states.iter().map(|state| State::parse(state));
        let mut advanced = Self {
            enqueued: row.try_get::<i64, _>("enqueued")? as usize,
            finished: finished
                .into_iter()
                .zip(states)
                .filter_map(|(task, state)| Some((task, state?)))
                .collect(),
            ..Self::default()
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
    /// The results of a failure are those in `payload`, or in the row already if there
    /// is none; the payload is not added to earlier ones.
    replaces: bool,
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
            replaces: false,
        };
        match change {
            Change::Complete { .. } if stored => plain(code::COMPLETE_STORED),
            Change::Complete { results } => Self {
                payload: Some(results),
                ..plain(code::COMPLETE)
            },
            Change::Retry { error, delay_ms } => Self {
                delay_ms: delay_ms as i64,
                backoff_seconds: error.retry_after_ms.map(|_| in_seconds(delay_ms)),
                ..plain(code::RETRY).failing(error, stored)
            },
            Change::Fail { error, asked_ms } => Self {
                backoff_seconds: asked_ms.map(in_seconds),
                ..plain(code::FAIL).failing(error, stored)
            },
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

    fn failing(self, mut error: StepError, stored: bool) -> Self {
        // They are the step's, not the error's: kept once.
        let results = error.results.take();
        let replaces = stored || results.is_some();
        Self {
            payload: if replaces {
                results
            } else {
                Some(error.result_keys())
            },
            note: Some(error.kind.as_str().to_owned()),
            error: Some(serde_json::to_value(&error).unwrap_or_else(|_| json!(error.message))),
            replaces,
            ..self
        }
    }
}

/// As the column of the Rails engine has it.
fn in_seconds(delay_ms: u64) -> i32 {
    i32::try_from(delay_ms.div_ceil(1000)).unwrap_or(i32::MAX)
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
    replaces: Vec<bool>,
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
            batch.replaces.push(change.replaces);
            batch.attempts.push(attempt);
        }
        batch
    }
}
