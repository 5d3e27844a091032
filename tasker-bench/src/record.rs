//! What a run prints: one JSON object, the same fields for every command.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cli::Mode;
use crate::stats::Percentiles;

/// The result of one run. Fields that a command has no value for are left out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) command: String,
    /// What distinguishes records of one command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
    pub(crate) shape: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<Mode>,
    pub(crate) tasks: usize,
    pub(crate) steps: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight: Option<usize>,
    /// From the first submission to the end of the last task.
    pub(crate) seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) steps_per_second: Option<f64>,
    /// From ready (last parent complete, or task created) to complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<Percentiles>,
    /// From ready to claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_ms: Option<Percentiles>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lone_ms: Option<Lone>,
    /// Quantiles in milliseconds, by what was timed: the least value, that of each
    /// further percent, and the greatest, 101 in all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) quantiles_ms: BTreeMap<String, Vec<f64>>,
    /// Further figures, the unit in the name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) values: BTreeMap<String, f64>,
    /// Steps a second by number of connections.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) by_connections: BTreeMap<usize, f64>,
    #[serde(flatten)]
    pub(crate) cost: Cost,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rss_mb: BTreeMap<String, Memory>,
    /// How often the measurement was made before this one, which counts, because the
    /// commit probe had moved too far.
    #[serde(default)]
    pub(crate) repeats: usize,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Median milliseconds of a transaction that writes one row.
    pub(crate) commit_probe_ms: BeforeAfter,
    #[serde(flatten)]
    pub(crate) setting: Setting,
}

impl Record {
    /// What was run, in a word or two.
    pub(crate) fn label(&self) -> String {
        match self.command.as_str() {
            "linear" | "fan" | "layered" => self.shape.replace('_', " ").replace('x', "×"),
            _ => self.command.clone(),
        }
    }
}

/// Figures by name, as [`Record::values`] has them.
pub(crate) fn named<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> BTreeMap<String, f64> {
    let owned = |(name, value): (&str, f64)| (name.to_owned(), value);
    values.into_iter().map(owned).collect()
}

/// Latencies of tasks that run alone, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Lone {
    /// From a handler that does nothing to the start of the handler after it.
    pub(crate) next_start: Option<Percentiles>,
    /// From before the submission to the start of the first handler.
    pub(crate) post_to_start: Option<Percentiles>,
}

/// What the steps cost the machine; what was not measured is zero or empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Transactions that wrote, everything included, while the load ran.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) commits_per_step: f64,
    /// All transactions of the services, from their start to their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transactions_per_step: Option<f64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) wal_bytes_per_step: f64,
    /// While the load ran. `postgres` is the whole server, ended backends included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) cpu_seconds: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) cpu_us_per_step: BTreeMap<String, f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(value: &f64) -> bool {
    value.abs() < f64::EPSILON
}

impl Cost {
    /// CPU microseconds of the server per step.
    pub(crate) fn postgres_us(&self) -> Option<f64> {
        self.cpu_us_per_step.get("postgres").copied()
    }

    /// Those of the services; the load itself is left out.
    pub(crate) fn own_us(&self) -> Option<f64> {
        self.cpu_us_per_step
            .iter()
            .filter(|(name, _)| !["postgres", "bench"].contains(&name.as_str()))
            .map(|(_, us)| *us)
            .reduce(|all, us| all + us)
    }
}

/// Resident memory in MB.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Ready, before any task.
    pub(crate) idle: f64,
    /// The most there ever was.
    pub(crate) peak: f64,
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct BeforeAfter {
    pub(crate) before: f64,
    pub(crate) after: f64,
}

impl BeforeAfter {
    /// Whether one is more than half as much again as the other: what was measured
    /// between them was not measured on one and the same machine.
    pub(crate) fn moved(self) -> bool {
        self.after > self.before * 1.5 || self.before > self.after * 1.5
    }

    pub(crate) fn mean(self) -> f64 {
        f64::midpoint(self.before, self.after)
    }
}

/// What it was measured on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// When the measurement began.
    pub(crate) at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_gib: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<String>,
    pub(crate) build: String,
    pub(crate) cores: usize,
    /// Load of the machine in the minute before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load_1m: Option<f64>,
    pub(crate) postgres_version: String,
    pub(crate) postgres_settings: BTreeMap<String, String>,
    /// What the caller set for the services.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) overrides: BTreeMap<String, String>,
}
