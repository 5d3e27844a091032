//! The configuration as typed sections, with their defaults.
//!
//! Ranges live in `keys`, explanations for operators in the base files. A field
//! whose empty text means "not set" is an `Option` here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::secret::Secret;
use super::sources::DEFAULT_ENVIRONMENT;
use crate::domain::Namespace;

/// The whole effective configuration. Serializing it masks secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub database: Database,
    pub engine: Engine,
    pub templates: Templates,
    pub telemetry: Telemetry,
    pub orchestration: Orchestration,
    pub worker: Worker,
    /// The environment whose files and template sections are in force. Chosen by
    /// the caller of `load`, not a key.
    #[serde(skip)]
    pub environment: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: Database::default(),
            engine: Engine::default(),
            templates: Templates::default(),
            telemetry: Telemetry::default(),
            orchestration: Orchestration::default(),
            worker: Worker::default(),
            environment: DEFAULT_ENVIRONMENT.to_owned(),
        }
    }
}

/// How the database is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// None until something names a database; see [`Database::require_url`].
    #[serde(deserialize_with = "secret_or_none")]
    pub url: Option<Secret<String>>,
    /// Where the thirteen `tasker_*` tables live.
    pub schema: String,
    pub pool_max_connections: u32,
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    pub idle_in_transaction_timeout_ms: u64,
    /// How long a service waits at start for a database that is down.
    pub connect_retry_seconds: u64,
    pub migrate_on_start: bool,
    pub index_profile: IndexProfile,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            schema: "public".to_owned(),
            pool_max_connections: 10,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 10_000,
            idle_in_transaction_timeout_ms: 10_000,
            connect_retry_seconds: 30,
            migrate_on_start: true,
            index_profile: IndexProfile::Lean,
        }
    }
}

/// Which secondary indexes a fresh database gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexProfile {
    /// Only what the engine itself reads by.
    Lean,
    /// Every index the Rails engine creates.
    Rails,
}

/// The engine proper: how steps finish and what their data may weigh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    pub mode: Mode,
    pub audit: Audit,
    pub lease_ms: u64,
    pub poll_interval_ms: u64,
    pub wake_interval_ms: u64,
    pub batch_max_steps: usize,
    pub identity_strategy: IdentityStrategy,
    /// The longest delay a handler may ask for.
    pub retry_after_max_seconds: u64,
    pub context_max_bytes: usize,
    pub result_max_bytes: usize,
    /// Larger results do not ride in a results message: the worker writes them to
    /// the step's row first.
    pub results_inline_max_bytes: usize,
    pub error_max_bytes: usize,
    pub json_max_depth: usize,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            mode: Mode::Queued,
            audit: Audit::Folded,
            lease_ms: 10_000,
            poll_interval_ms: 2_000,
            wake_interval_ms: 2,
            batch_max_steps: 500,
            identity_strategy: IdentityStrategy::Default,
            retry_after_max_seconds: 86_400,
            context_max_bytes: 262_144,
            result_max_bytes: 5_242_880,
            results_inline_max_bytes: 8_192,
            error_max_bytes: 65_536,
            json_max_depth: 64,
        }
    }
}

/// Who runs the routine that completes a batch of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Orchestration, from the results queue.
    Queued,
    /// The process that holds both roles, with no queue hop.
    Direct,
}

/// When transitions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audit {
    /// `in_progress` and the final transition together, at completion.
    Folded,
    /// Each as it happens.
    Live,
}

/// What makes two submissions the same task when no idempotency key is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityStrategy {
    /// Every submission is its own task.
    Default,
    /// The same template and context are the same task.
    Hash,
}

/// Where templates are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Templates {
    /// Files are looked up below `<directory>/tasks`.
    pub directory: PathBuf,
    pub load_on_start: bool,
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("config"),
            load_on_start: true,
        }
    }
}

/// Logs and traces. OTLP export is governed by the standard `OTEL_*` variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    pub log_format: LogFormat,
    pub log_level: String,
    /// Which spans are carried and exported, whatever the log level.
    pub trace_level: String,
    /// None: `OTEL_SERVICE_NAME`, or else `tasker-<role>`.
    #[serde(deserialize_with = "text_or_none")]
    pub service_name: Option<String>,
    /// How long the end of the process waits for the last spans to leave.
    pub otlp_flush_timeout_ms: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Auto,
            log_level: "info".to_owned(),
            trace_level: "info".to_owned(),
            service_name: None,
            otlp_flush_timeout_ms: 500,
        }
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `Human` on a terminal, `Json` otherwise.
    Auto,
    Json,
    Human,
}

/// The orchestration service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orchestration {
    pub bind: SocketAddr,
    pub allow_public: bool,
    pub request_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub header_timeout_ms: u64,
    pub requests_max: usize,
    pub connections_max: usize,
    pub connection_age_max_seconds: u64,
    pub body_max_bytes: usize,
    pub page_max: u32,
    pub submit_batch_max: usize,
    pub intake_queue_max: usize,
    pub intake_batch_max: usize,
    pub retry_after_seconds: u64,
    pub result_consumers: usize,
    pub queue_metrics_interval_ms: u64,
    pub drain_timeout_ms: u64,
}

impl Default for Orchestration {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allow_public: false,
            request_timeout_ms: 10_000,
            body_timeout_ms: 5_000,
            header_timeout_ms: 5_000,
            requests_max: 512,
            connections_max: 1_024,
            connection_age_max_seconds: 600,
            body_max_bytes: 1_048_576,
            page_max: 200,
            submit_batch_max: 1_000,
            intake_queue_max: 2_000,
            intake_batch_max: 500,
            retry_after_seconds: 1,
            result_consumers: 1,
            queue_metrics_interval_ms: 15_000,
            drain_timeout_ms: 4_000,
        }
    }
}

/// A worker process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    pub bind: SocketAddr,
    pub allow_public: bool,
    /// Empty: every namespace with a step for one of the worker's handlers.
    pub namespaces: Vec<Namespace>,
    pub concurrency: usize,
    pub claim_batch_max: usize,
    pub report_batch_max: usize,
    pub default_step_timeout_seconds: u64,
    pub drain_timeout_ms: u64,
    /// Of a worker whose steps become jobs of a host's queue: how many may be jobs there.
    pub dispatch_limit: usize,
    /// Of such a worker: a job that has not begun by then may be lost.
    pub dispatch_wait_seconds: u64,
    /// None: made up at start; see [`Worker::identity`].
    #[serde(deserialize_with = "text_or_none")]
    pub worker_id: Option<String>,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            allow_public: false,
            namespaces: Vec::new(),
            concurrency: 256,
            claim_batch_max: 256,
            report_batch_max: 500,
            default_step_timeout_seconds: 3_600,
            drain_timeout_ms: 4_000,
            dispatch_limit: 256,
            dispatch_wait_seconds: 300,
            worker_id: None,
        }
    }
}

fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn secret_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret<String>>, D::Error> {
    text_or_none(deserializer).map(|text| text.map(Secret::new))
}
