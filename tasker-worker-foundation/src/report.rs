//! The reporter: takes completions in and sees to it that they are stored.
//!
//! No timer: whatever arrived while the last batch was being stored is the next
//! batch, and a lone completion goes out at once. A batch that cannot be stored
//! is tried again until it can or the leases are lost; the steps stay in hand
//! meanwhile, so their leases are renewed and no room is given back.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tasker_shared::config::{Engine, Mode};
use tasker_shared::domain::{check_json, JsonError, JsonLimits, JsonProblem, Outcome, StepError};
use tasker_shared::store::{AdvanceConnection, Report, ReportConnection, StoreError};
use tasker_shared::supervise::{within, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::go_on;
use crate::seam::{Completion, ExecutionId, TaskFacts};
use crate::service::Shared;

/// Where reports go.
enum Way {
    /// To orchestration, through the results queue.
    Queued(ReportConnection),
    /// Applied here, by the process that holds both roles.
    Direct(Box<AdvanceConnection>),
}

impl Way {
    async fn open(shared: &Shared) -> Result<Self, StoreError> {
        Ok(match shared.store.engine().mode {
            Mode::Queued => Self::Queued(ReportConnection::open(&shared.store).await?.waking()),
            Mode::Direct => Self::Direct(Box::new(AdvanceConnection::open(&shared.store).await?)),
        })
    }

    async fn store(
        &mut self,
        shared: &Shared,
        reports: &[Report],
        facts: &[Option<Arc<TaskFacts>>],
    ) -> Result<(), StoreError> {
        match self {
            Self::Queued(connection) => connection.send(reports).await,
            Self::Direct(connection) => go_on::advance(shared, connection, reports, facts).await,
        }
    }
}

/// Stores completions until all senders are gone or `shared.stopped`.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut completions: UnboundedReceiver<Vec<Completion>>,
    health: Arc<LoopHealth>,
) {
    let mut way: Option<Way> = None;
    let mut arrived: Vec<Vec<Completion>> = Vec::new();
    loop {
        let some = tokio::select! {
            n = completions.recv_many(&mut arrived, shared.options.report_batch_max) => n > 0,
            () = shared.stopped.cancelled() => false,
        };
        if !some {
            return;
        }
        let judged = judge(&shared, arrived.drain(..).flatten());
        let mut at = 0;
        while at < judged.reports.len() {
            let end = at + together(&judged.bytes[at..], shared.options.report_batch_max);
            if !store(&shared, &mut way, &judged, at..end, &health).await {
                return;
            }
            at = end;
        }
    }
}

/// Most bytes of results stored in one go, unless one alone has more. A batch must be
/// stored well within the time limit of its statements, or it would be tried again
/// from the start for ever.
const TOGETHER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// How many reports with results of these sizes are stored in one go.
fn together(bytes: &[usize], most: usize) -> usize {
    let mut total = 0;
    let fitting = bytes.iter().take(most).take_while(|&&bytes| {
        total += bytes;
        total <= TOGETHER_MAX_BYTES
    });
    fitting.count().max(1)
}

/// Tries until a part of `judged` is stored; false if the worker stops first.
async fn store(
    shared: &Shared,
    way: &mut Option<Way>,
    judged: &Judged,
    part: std::ops::Range<usize>,
    health: &LoopHealth,
) -> bool {
    let (reports, facts) = (&judged.reports[part.clone()], &judged.facts[part.clone()]);
    let mut pause = Pause::default();
    loop {
        let attempt = attempt(shared, way, reports, facts);
        match within(shared.store.patience(), attempt).await {
            Ok(()) => {
                health.turned();
                shared.in_hand.release(&judged.executions[part]);
                return true;
            }
            Err(error) => {
                health.failed(&error);
                *way = None;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause.lengthen()) => {}
            () = shared.stopped.cancelled() => return false,
        }
    }
}

async fn attempt(
    shared: &Shared,
    way: &mut Option<Way>,
    reports: &[Report],
    facts: &[Option<Arc<TaskFacts>>],
) -> Result<(), StoreError> {
    if way.is_none() {
        *way = Some(Way::open(shared).await?);
    }
    match way {
        Some(way) => way.store(shared, reports, facts).await,
        None => Ok(()),
    }
}

/// Outcomes on their way to be stored, in columns.
#[derive(Default)]
struct Judged {
    executions: Vec<ExecutionId>,
    reports: Vec<Report>,
    /// Of their tasks.
    facts: Vec<Option<Arc<TaskFacts>>>,
    /// Of the results, as JSON.
    bytes: Vec<usize>,
}

/// Keeps the first outcome of each step that is still in hand, made storable.
fn judge(shared: &Shared, completions: impl Iterator<Item = Completion>) -> Judged {
    let mut judged = Judged::default();
    for Completion { execution, outcome } in completions {
        let Some(answered) = shared.in_hand.answer(&execution) else {
            tracing::debug!(
                step_id = execution.step_id,
                "an outcome nobody waits for was dropped"
            );
            continue;
        };
        let (outcome, bytes) = storable(shared.store.engine(), outcome);
        let took = answered.started.elapsed().as_secs_f64();
        let namespace = answered.namespace.to_string();
        metrics::histogram!(telemetry::STEP_DURATION_SECONDS, "namespace" => namespace)
            .record(took);
        judged.executions.push(execution);
        judged.facts.push(answered.facts);
        judged.bytes.push(bytes);
        judged.reports.push(Report {
            attempt: answered.attempt,
            outcome,
            stored: false,
        });
    }
    judged
}

/// The outcome as it can be stored, and the size of its results. Results that cannot
/// be stored become a failure that says why; of an error there is always something to
/// store. So a handler harms no step but its own.
fn storable(engine: &Engine, outcome: Outcome) -> (Outcome, usize) {
    let limits = |max_bytes| limits(engine, max_bytes);
    let (error, bytes) = match outcome {
        Outcome::Success { results } => match check_results(engine, &results) {
            Ok(bytes) => return (Outcome::Success { results }, bytes),
            Err(unstorable) => (unstorable.into_error(), 0),
        },
        Outcome::Failure { error } => error.storable_results(&limits(engine.result_max_bytes)),
        other => return (other, 0),
    };
    let error = error.storable(&limits(engine.error_max_bytes));
    (Outcome::Failure { error }, bytes)
}

fn limits(engine: &Engine, max_bytes: usize) -> JsonLimits {
    JsonLimits {
        max_bytes,
        max_depth: engine.json_max_depth,
    }
}

/// Why results cannot be stored, and what to do about it.
#[derive(Debug)]
pub struct Unstorable(JsonError);

impl Unstorable {
    /// Stable code of the problem.
    pub fn code(&self) -> &'static str {
        self.0.code()
    }

    fn into_error(self) -> StepError {
        StepError::permanent(format!("the handler's results cannot be stored: {self}"))
            .with_class("Tasker::UnstorableResults")
            .with_code(self.code())
    }
}

impl fmt::Display for Unstorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.0.problem {
            JsonProblem::TooLarge { .. } => {
                "; return a reference to data kept elsewhere, or raise engine.result_max_bytes"
            }
            JsonProblem::TooDeep { .. } => "; return it flatter, or raise engine.json_max_depth",
            // The others say it themselves.
            _ => "",
        };
        write!(f, "{}{remedy}", self.0)
    }
}

/// Judges results of a success as the report does, for a dispatcher that tells others of
/// the success before. Returns their size as JSON.
///
/// # Errors
/// Results that would be stored as a failure.
pub fn check_results(engine: &Engine, results: &Value) -> Result<usize, Unstorable> {
    check_json(results, &limits(engine, engine.result_max_bytes)).map_err(Unstorable)
}

#[cfg(test)]
mod tests {
    use super::{together, TOGETHER_MAX_BYTES};

    #[test]
    fn large_results_are_stored_a_few_at_a_time_and_small_ones_by_number() {
        assert_eq!(together(&[10; 700], 500), 500);
        assert_eq!(together(&[TOGETHER_MAX_BYTES / 4; 10], 500), 4);
        assert_eq!(together(&[1, TOGETHER_MAX_BYTES, 1], 500), 1);
        assert_eq!(together(&[TOGETHER_MAX_BYTES * 2, 1], 500), 1);
    }
}
