//! What a service says of itself: alive, ready, and how it fares.
//!
//! Liveness asks nothing of the database; readiness does, and names what is
//! missing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process answers. `GET /health/live`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// `ok`.
    pub status: String,
}

/// Whether the service can do its work. `GET /health/ready`, 503 unless ready.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// One thing the service needs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// database, migrations or queues.
    pub name: String,
    pub ok: bool,
    /// Why not, for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `GET /health/status`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServiceStatus {
    /// orchestration or worker.
    pub role: String,
    pub version: String,
    pub started_at: DateTime<Utc>,
    pub uptime_seconds: u64,
    pub ready: bool,
    pub checks: Vec<Check>,
    /// Named counts of work in hand, such as submissions waiting.
    pub counts: BTreeMap<String, i64>,
    pub loops: Vec<LoopStatus>,
}

/// One background loop of the service.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LoopStatus {
    pub name: String,
    /// Since its last turn that went well; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Turns that failed since the service started.
    pub failures: u64,
}
