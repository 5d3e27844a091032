//! Logs, traces and metrics of a process.
//!
//! [`init`] installs the one subscriber of the process, [`install_recorder`] the
//! one metrics recorder; both may be called again, the first call wins. The
//! trace context travels as data, in a request header, a task row and a message,
//! and [`adopt`] and [`current`] tie it to spans at both ends. That works with
//! and without an exporter.
//!
//! Not here: what is worth a log line or a span. Contexts and results of tasks
//! are never logged above `trace`.

mod guard;
mod logs;
mod metric;
mod names;
mod otlp;
mod propagation;

pub use guard::{init, is_exporting, TelemetryError, TelemetryGuard};
pub use metric::{install_recorder, MetricsHandle};
pub use names::{
    MetricKind, MetricName, ADVANCE_BATCH_STEPS, ADVANCE_DURATION_SECONDS, CLAIMS_TOTAL,
    DB_POOL_CONNECTIONS, HANDLERS_RUNNING, HTTP_REQUESTS_TOTAL, HTTP_REQUEST_DURATION_SECONDS,
    INTAKE_REJECTED_TOTAL, LEASES_LOST_TOTAL, METRICS, QUEUE_DEPTH, QUEUE_OLDEST_SECONDS,
    RETRIES_TOTAL, STALE_REPORTS_TOTAL, STEPS_FINISHED_TOTAL, STEP_DURATION_SECONDS,
    SWEEP_REPAIRS_TOTAL, TASKS_FINISHED_TOTAL, TASKS_SUBMITTED_TOTAL,
};
pub use propagation::{adopt, current, TraceContext};
