//! What a run prints: one JSON object, the same fields for every command.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::Mode;
use crate::stats::Percentiles;

/// The result of one run. Fields that a command has no value for are left out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Record {
    pub(crate) command: &'static str,
    pub(crate) shape: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<Mode>,
    pub(crate) tasks: usize,
    pub(crate) steps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight: Option<usize>,
    /// From the first submission to the end of the last task.
    pub(crate) seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steps_per_second: Option<f64>,
    /// Share of the anchor's rate in the same `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) anchor_ratio: Option<f64>,
    /// From ready (last parent complete, or task created) to complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<Percentiles>,
    /// From ready to claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_ms: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lone_ms: Option<Lone>,
    /// Steps a second by number of connections.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) by_connections: BTreeMap<usize, f64>,
    #[serde(flatten)]
    pub(crate) cost: Cost,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rss_mb: BTreeMap<String, Memory>,
    /// Median milliseconds of a transaction that writes one row.
    pub(crate) commit_probe_ms: BeforeAfter,
    #[serde(flatten)]
    pub(crate) setting: Setting,
}

/// Latencies of tasks that run alone, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Lone {
    /// From a parent's completion to the claim of its child.
    pub(crate) next_start: Option<Percentiles>,
    /// From a parent's completion to its child's.
    pub(crate) cycle: Option<Percentiles>,
    /// From before the submission to the claim of the first step.
    pub(crate) post_to_start: Option<Percentiles>,
}

/// What the steps cost the machine.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Cost {
    /// Transactions that wrote, everything included, while the load ran.
    pub(crate) commits_per_step: f64,
    /// All transactions of the services, from their start to their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transactions_per_step: Option<f64>,
    pub(crate) wal_bytes_per_step: f64,
    /// While the load ran. `postgres` is the whole server, ended backends included.
    pub(crate) cpu_seconds: BTreeMap<String, f64>,
    pub(crate) cpu_us_per_step: BTreeMap<String, f64>,
}

/// Resident memory in MB.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    /// Ready, before any task.
    pub(crate) idle: f64,
    /// The most there ever was.
    pub(crate) peak: f64,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct BeforeAfter {
    pub(crate) before: f64,
    pub(crate) after: f64,
}

/// What it was measured on.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Setting {
    pub(crate) build: &'static str,
    pub(crate) cores: usize,
    /// Load of the machine in the minute before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load_1m: Option<f64>,
    pub(crate) postgres_version: String,
    pub(crate) postgres_settings: BTreeMap<String, String>,
    /// What the caller set for the services.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) overrides: BTreeMap<String, String>,
}
