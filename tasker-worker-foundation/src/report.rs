//! The reporter: takes completions in and sees to it that they are stored.
//!
//! No timer: whatever arrived while the last batch was being stored is the next
//! batch, and a lone completion goes out at once. A batch that cannot be stored
//! is tried again until it can or the leases are lost; the steps stay in hand
//! meanwhile, so their leases are renewed and no room is given back.

use std::sync::Arc;

use tasker_shared::announce::announce;
use tasker_shared::config::Mode;
use tasker_shared::domain::{check_json, JsonLimits, Outcome, StepError};
use tasker_shared::messaging::Channel;
use tasker_shared::store::{AdvanceConnection, Report, ReportConnection, StoreError};
use tasker_shared::supervise::{within, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::seam::{Completion, ExecutionId};
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
            Mode::Queued => Self::Queued(ReportConnection::open(&shared.store).await?),
            Mode::Direct => Self::Direct(Box::new(AdvanceConnection::open(&shared.store).await?)),
        })
    }

    async fn store(&mut self, shared: &Shared, reports: &[Report]) -> Result<(), StoreError> {
        match self {
            Self::Queued(connection) => {
                connection.send(reports).await?;
                shared.store.hub().wake(&Channel::Results);
            }
            Self::Direct(connection) => {
                let advanced = connection.advance(reports.to_vec()).await?;
                announce(shared.store.hub(), &advanced);
            }
        }
        Ok(())
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
        let (executions, reports) = judge(&shared, arrived.drain(..).flatten());
        for (executions, reports) in executions
            .chunks(shared.options.report_batch_max)
            .zip(reports.chunks(shared.options.report_batch_max))
        {
            if !store(&shared, &mut way, executions, reports, &health).await {
                return;
            }
        }
    }
}

/// Tries until the batch is stored; false if the worker stops first.
async fn store(
    shared: &Shared,
    way: &mut Option<Way>,
    executions: &[ExecutionId],
    reports: &[Report],
    health: &LoopHealth,
) -> bool {
    let mut pause = Pause::default();
    loop {
        match within(shared.store.patience(), attempt(shared, way, reports)).await {
            Ok(()) => {
                health.turned();
                shared.in_hand.release(executions);
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
) -> Result<(), StoreError> {
    if way.is_none() {
        *way = Some(Way::open(shared).await?);
    }
    match way {
        Some(way) => way.store(shared, reports).await,
        None => Ok(()),
    }
}

/// Keeps the first outcome of each step that is still in hand, and makes of
/// results that cannot be stored a failure that says why.
fn judge(
    shared: &Shared,
    completions: impl Iterator<Item = Completion>,
) -> (Vec<ExecutionId>, Vec<Report>) {
    let mut executions = Vec::new();
    let mut reports = Vec::new();
    for Completion { execution, outcome } in completions {
        let Some(answered) = shared.in_hand.answer(&execution) else {
            tracing::debug!(
                step_id = execution.step_id,
                "an outcome nobody waits for was dropped"
            );
            continue;
        };
        let outcome = storable(shared, outcome);
        let took = answered.started.elapsed().as_secs_f64();
        let namespace = answered.namespace.to_string();
        metrics::histogram!(telemetry::STEP_DURATION_SECONDS, "namespace" => namespace)
            .record(took);
        executions.push(execution);
        reports.push(Report {
            attempt: answered.attempt,
            outcome,
            stored: false,
        });
    }
    (executions, reports)
}

fn storable(shared: &Shared, outcome: Outcome) -> Outcome {
    let Outcome::Success { results } = &outcome else {
        return outcome;
    };
    let engine = shared.store.engine();
    let limits = JsonLimits {
        max_bytes: engine.result_max_bytes,
        max_depth: engine.json_max_depth,
    };
    match check_json(results, &limits) {
        Ok(()) => outcome,
        Err(error) => {
            let message = format!("the handler's results cannot be stored: {error}");
            let error = StepError::permanent(message)
                .with_class("Tasker::UnstorableResults")
                .with_code(error.code());
            Outcome::Failure { error }
        }
    }
}
