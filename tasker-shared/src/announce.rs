//! Tells of an applied batch: wakes for whoever has work now, counts for metrics.

use std::collections::BTreeMap;

use crate::domain::Namespace;
use crate::messaging::{Channel, WakeHub};
use crate::store::Advanced;
use crate::telemetry;

/// Wakes workers and timers and counts what a batch did. Call it after the commit.
pub fn announce(hub: &WakeHub, advanced: &BTreeMap<Namespace, Advanced>) {
    hub.tell(&reasons(advanced), false);
    count(advanced);
}

/// Whom a batch gives something to do.
pub fn reasons(advanced: &BTreeMap<Namespace, Advanced>) -> Vec<Channel> {
    let with_steps = advanced.iter().filter(|(_, done)| done.enqueued > 0);
    let mut channels: Vec<Channel> = with_steps
        .map(|(namespace, _)| Channel::Steps(namespace.clone()))
        .collect();
    if advanced.values().any(|done| done.delayed > 0) {
        channels.push(Channel::Delays);
    }
    channels
}

/// Counts for metrics what a batch did.
pub fn count(advanced: &BTreeMap<Namespace, Advanced>) {
    for (namespace, done) in advanced {
        count_one(namespace, done);
    }
}

fn count_one(namespace: &Namespace, done: &Advanced) {
    let label = || namespace.to_string();
    let succeeded = done.applied - done.failed - done.delayed - done.handed_back;
    let outcomes = [
        ("success", succeeded),
        ("failed", done.failed),
        ("delayed", done.delayed),
        ("handed_back", done.handed_back),
    ];
    for (outcome, n) in outcomes.into_iter().filter(|(_, n)| *n > 0) {
        metrics::counter!(telemetry::STEPS_FINISHED_TOTAL, "namespace" => label(), "outcome" => outcome)
            .increment(n as u64);
    }
    if done.retried > 0 {
        metrics::counter!(telemetry::RETRIES_TOTAL, "namespace" => label())
            .increment(done.retried as u64);
    }
    if !done.stale.is_empty() {
        metrics::counter!(telemetry::STALE_REPORTS_TOTAL, "namespace" => label())
            .increment(done.stale.len() as u64);
        for attempt in &done.stale {
            tracing::info!(
                task_id = attempt.task_id,
                step_id = attempt.step_id,
                attempt = attempt.attempt,
                "a stale report changed nothing"
            );
        }
    }
    for (task_id, state) in &done.finished {
        metrics::counter!(
            telemetry::TASKS_FINISHED_TOTAL, "namespace" => label(), "state" => state.as_str()
        )
        .increment(1);
        tracing::debug!(task_id, %state, "task finished");
    }
}
