//! The table of keys: what each may hold, one row per key.
//!
//! Defaults live in `sections`, explanations in the base files, the checking in
//! `reading`; tests hold the four together.

/// What a key accepts.
pub(super) enum Kind {
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// Text of which every character satisfies `allowed`; empty means not set.
    Text {
        max_chars: usize,
        allowed: fn(char) -> bool,
        expected: &'static str,
    },
    /// A path or name that must not be empty.
    Path,
    /// An identifier of PostgreSQL that needs no quotes.
    Identifier,
    /// `address:port` with a literal address.
    Address,
    /// Directives of `tracing_subscriber::EnvFilter`.
    Directives,
    /// A list of namespaces; in text, separated by commas.
    Namespaces,
    /// A secret: never quoted back.
    DatabaseUrl,
}

pub(super) struct Key {
    /// `section.key`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
}

const fn integer(path: &'static str, min: i64, max: i64) -> Key {
    Key {
        path,
        kind: Kind::Integer { min, max },
    }
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

const MIB: i64 = 1_048_576;
const HOUR_MS: i64 = 3_600_000;

const NAME: Kind = Kind::Text {
    max_chars: 128,
    allowed: |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'),
    expected: "at most 128 letters, digits and -_.: (empty: chosen at start)",
};

pub(super) const KEYS: &[Key] = &[
    key("database.url", Kind::DatabaseUrl),
    key("database.schema", Kind::Identifier),
    integer("database.pool_max_connections", 2, 1_000),
    integer("database.acquire_timeout_ms", 100, HOUR_MS),
    integer("database.statement_timeout_ms", 100, HOUR_MS),
    integer("database.idle_in_transaction_timeout_ms", 1_000, HOUR_MS),
    integer("database.connect_retry_seconds", 0, 86_400),
    key("database.migrate_on_start", Kind::Boolean),
    key("database.index_profile", Kind::Choice(&["lean", "rails"])),
    key("engine.mode", Kind::Choice(&["queued", "direct"])),
    key("engine.audit", Kind::Choice(&["folded", "live"])),
    integer("engine.lease_ms", 5_000, HOUR_MS),
    integer("engine.poll_interval_ms", 50, 60_000),
    integer("engine.wake_interval_ms", 1, 1_000),
    integer("engine.batch_max_steps", 1, 5_000),
    key(
        "engine.identity_strategy",
        Kind::Choice(&["default", "hash"]),
    ),
    integer("engine.retry_after_max_seconds", 1, 2_592_000),
    integer("engine.context_max_bytes", 1_024, 16 * MIB),
    integer("engine.result_max_bytes", 1_024, 64 * MIB),
    integer("engine.results_inline_max_bytes", 0, MIB),
    integer("engine.error_max_bytes", 1_024, MIB),
    // serde_json itself stops at 128 levels.
    integer("engine.json_max_depth", 4, 120),
    key("templates.directory", Kind::Path),
    key("templates.load_on_start", Kind::Boolean),
    key(
        "telemetry.log_format",
        Kind::Choice(&["auto", "json", "human"]),
    ),
    key("telemetry.log_level", Kind::Directives),
    key("telemetry.trace_level", Kind::Directives),
    key("telemetry.service_name", NAME),
    integer("telemetry.otlp_flush_timeout_ms", 0, 60_000),
    key("orchestration.bind", Kind::Address),
    key("orchestration.allow_public", Kind::Boolean),
    integer("orchestration.request_timeout_ms", 100, 600_000),
    integer("orchestration.body_timeout_ms", 100, 600_000),
    integer("orchestration.header_timeout_ms", 100, 600_000),
    integer("orchestration.requests_max", 1, 100_000),
    integer("orchestration.connections_max", 1, 100_000),
    integer("orchestration.connection_age_max_seconds", 1, 86_400),
    integer("orchestration.body_max_bytes", 1_024, 64 * MIB),
    integer("orchestration.page_max", 1, 200),
    integer("orchestration.submit_batch_max", 1, 1_000),
    integer("orchestration.intake_queue_max", 1, 100_000),
    integer("orchestration.intake_batch_max", 1, 5_000),
    integer("orchestration.retry_after_seconds", 1, 3_600),
    integer("orchestration.result_consumers", 1, 64),
    integer("orchestration.queue_metrics_interval_ms", 500, 600_000),
    integer("orchestration.drain_timeout_ms", 0, 600_000),
    key("worker.bind", Kind::Address),
    key("worker.allow_public", Kind::Boolean),
    key("worker.namespaces", Kind::Namespaces),
    integer("worker.concurrency", 1, 10_000),
    integer("worker.claim_batch_max", 1, 1_000),
    integer("worker.report_batch_max", 1, 5_000),
    integer("worker.default_step_timeout_seconds", 1, 604_800),
    integer("worker.drain_timeout_ms", 0, 600_000),
    integer("worker.dispatch_limit", 1, 10_000),
    integer("worker.dispatch_wait_seconds", 1, 86_400),
    key("worker.worker_id", NAME),
];

/// The row of a key, by `section.key`.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names of the keys of a section, for messages.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    KEYS.iter()
        .filter_map(|key| key.path.split_once('.'))
        .filter(|(found, _)| *found == section)
        .map(|(_, name)| name)
        .collect()
}

impl Key {
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::DatabaseUrl)
    }
}
