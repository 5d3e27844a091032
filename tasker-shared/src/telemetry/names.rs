//! The table of metrics: every name, its labels and its meaning, in one place.
//!
//! INVARIANT: label sets are bounded. A label holds a namespace, a route pattern
//! or one word of a fixed list, never an id, a template, a path or a message.
//! Record with the constants: `metrics::counter!(CLAIMS_TOTAL, "namespace" => ns)`.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// A row of the table.
#[derive(Debug)]
pub struct MetricName {
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = concat!("The name of `", $name, "`; its row in [`METRICS`] says what it means.")]
        pub const $constant: &str = $name;)*

        /// Every metric of Tasker Core.
        pub const METRICS: &[MetricName] = &[$(MetricName {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

metrics_table! {
    TASKS_SUBMITTED_TOTAL = "tasker_tasks_submitted_total", Counter, ["namespace"],
        "Tasks accepted and stored.";
    TASKS_FINISHED_TOTAL = "tasker_tasks_finished_total", Counter, ["namespace", "state"],
        "Tasks in which nothing more can run, by the state they ended in: complete, error or cancelled.";
    STEPS_FINISHED_TOTAL = "tasker_steps_finished_total", Counter, ["namespace", "outcome"],
        "Attempts ended, by what became of the step: success, failed for good, delayed until another attempt or a worker with its handler, or handed_back.";
    STEP_DURATION_SECONDS = "tasker_step_duration_seconds", Histogram, ["namespace"],
        "From the claim of a step to its outcome, by worker.";
    ADVANCE_BATCH_STEPS = "tasker_advance_batch_steps", Histogram, [],
        "Steps completed in one transaction.";
    ADVANCE_DURATION_SECONDS = "tasker_advance_duration_seconds", Histogram, [],
        "How long the transaction that completes a batch of steps took.";
    CLAIMS_TOTAL = "tasker_claims_total", Counter, ["namespace"],
        "Attempts started.";
    LEASES_LOST_TOTAL = "tasker_leases_lost_total", Counter, ["namespace"],
        "Leases that ran out or were taken away: seen by the sweep, and by workers that were told to stop.";
    STALE_REPORTS_TOTAL = "tasker_stale_reports_total", Counter, ["namespace"],
        "Reports dropped because a newer attempt or an operator was there first.";
    RETRIES_TOTAL = "tasker_retries_total", Counter, ["namespace"],
        "Steps scheduled for another attempt.";
    QUEUE_DEPTH = "tasker_queue_depth", Gauge, ["namespace"],
        "Steps enqueued or running.";
    QUEUE_OLDEST_SECONDS = "tasker_queue_oldest_seconds", Gauge, ["namespace"],
        "Age of the oldest step that waits for a worker.";
    DB_POOL_CONNECTIONS = "tasker_db_pool_connections", Gauge, ["state"],
        "Connections in the pool of this process, idle or used; loops have some of their own.";
    INTAKE_REJECTED_TOTAL = "tasker_intake_rejected_total", Counter, [],
        "Submissions turned away because intake was full.";
    SWEEP_REPAIRS_TOTAL = "tasker_sweep_repairs_total", Counter, ["kind"],
        "Messages put back (message_missing) or removed (message_surplus): a hand in the database, or a fault.";
    HTTP_REQUESTS_TOTAL = "tasker_http_requests_total", Counter, ["route", "method", "status"],
        "Requests answered, by route pattern.";
    HTTP_REQUEST_DURATION_SECONDS = "tasker_http_request_duration_seconds", Histogram, ["route"],
        "How long requests took, by route pattern.";
    HANDLERS_RUNNING = "tasker_handlers_running", Gauge, [],
        "Steps claimed and not yet reported.";
}

/// Tells the recorder what each metric means.
pub(super) fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}
