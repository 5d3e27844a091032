//! The keeper: renews leases, ends what has run too long, and notices when a
//! lease is lost. It runs apart from handlers, so a busy handler keeps its lease
//! as long as this process lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tasker_shared::domain::{Outcome, StepError};
use tasker_shared::messaging::Channel;
use tasker_shared::store::StoreError;
use tasker_shared::supervise::LoopHealth;
use tasker_shared::telemetry;

use crate::seam::Completion;
use crate::service::Shared;

/// How late a timeout may be noticed.
const TICK: Duration = Duration::from_millis(50);

pub(crate) async fn run(shared: Arc<Shared>, health: Arc<LoopHealth>) {
    let cancelled = shared.store.hub().signal(&Channel::Cancelled);
    let period = Duration::from_millis(shared.store.engine().lease_ms) / 3;
    let mut renewed = Instant::now();
    loop {
        // With nothing in hand there is nothing to keep, and no query to make.
        tokio::select! {
            () = shared.in_hand.occupied() => {}
            () = shared.stopped.cancelled() => return,
        }
        let at_once = tokio::select! {
            () = cancelled.raised() => true,
            () = tokio::time::sleep(TICK) => false,
            () = shared.stopped.cancelled() => return,
        };
        end_overdue(&shared);
        if at_once || renewed.elapsed() >= period {
            renewed = Instant::now();
            // A renewal that hangs must not keep the next one from being tried.
            match tokio::time::timeout(period, renew(&shared)).await {
                Ok(Ok(())) => health.turned(),
                Ok(Err(error)) => health.failed(&error),
                Err(_) => health.failed(&"the renewal took longer than a third of the lease"),
            }
        }
    }
}

fn end_overdue(shared: &Shared) {
    let overdue = shared.in_hand.overdue(Instant::now());
    for (execution, limit) in overdue {
        // ORDER: the outcome first. A handler that answers its cancellation comes
        // behind it in the same channel and finds the step answered.
        let outcome = Outcome::Failure {
            error: StepError::timeout(limit),
        };
        shared
            .sink
            .complete(vec![Completion { execution, outcome }]);
        shared.in_hand.cancel(&execution);
    }
}

async fn renew(shared: &Shared) -> Result<(), StoreError> {
    for (namespace, leases) in shared.in_hand.leases() {
        let lost = shared.store.renew(&namespace, &leases).await?;
        if lost.is_empty() {
            continue;
        }
        // A step whose report was stored meanwhile is gone from the queue too,
        // and from our hands: only what is still in hand was lost.
        let lost = shared.in_hand.lose(&namespace, &lost);
        if lost > 0 && !shared.dispatch.hands_on() {
            tracing::warn!(%namespace, lost, "leases were lost; their handlers were told");
            metrics::counter!(telemetry::LEASES_LOST_TOTAL, "namespace" => namespace.to_string())
                .increment(lost as u64);
        }
    }
    let progress = shared.in_hand.take_progress();
    if !progress.is_empty() {
        shared.store.store_progress(&progress).await?;
    }
    Ok(())
}
