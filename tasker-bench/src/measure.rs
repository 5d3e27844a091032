//! What is read before and after a load, and the difference.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{SubsecRound as _, Utc};
use sqlx::PgPool;

use crate::proc;
use crate::record::{BeforeAfter, Cost, Record, Setting};
use crate::server::{self, Counters};
use crate::services::Services;
use crate::stage::Stage;
use crate::stats::rounded;

/// What frames every measurement: the machine and the server, and what a commit cost
/// before and after.
pub(crate) struct Frame {
    setting: Setting,
    commit_ms: f64,
}

impl Frame {
    pub(crate) async fn begin(stage: &Stage, pool: &PgPool) -> Result<Self> {
        Ok(Self {
            setting: setting(stage, pool).await?,
            commit_ms: server::commit_probe(pool).await?,
        })
    }

    /// A record of this measurement, still without figures.
    pub(crate) async fn end(self, pool: &PgPool, command: &str) -> Result<Record> {
        Ok(Record {
            command: command.to_owned(),
            commit_probe_ms: BeforeAfter {
                before: self.commit_ms,
                after: server::commit_probe(pool).await?,
            },
            setting: self.setting,
            ..Record::default()
        })
    }
}

/// A moment: counters of the server and CPU time of every role.
pub(crate) struct Moment {
    counters: Counters,
    cpu_seconds: BTreeMap<String, f64>,
}

impl Moment {
    pub(crate) async fn now(
        stage: &Stage,
        pool: &PgPool,
        services: Option<&Services>,
    ) -> Result<Self> {
        let counters = server::counters(pool).await?;
        let mut cpu_seconds = services
            .map(|all| all.by_role(proc::cpu_seconds))
            .unwrap_or_default();
        let postmaster = stage.cluster().and_then(tasker_cluster::Cluster::pid);
        let others = [
            ("postgres", postmaster.and_then(proc::family_cpu_seconds)),
            ("bench", proc::cpu_seconds(std::process::id())),
        ];
        cpu_seconds.extend(
            others
                .into_iter()
                .filter_map(|(name, seconds)| Some((name.to_owned(), seconds?))),
        );
        Ok(Self {
            counters,
            cpu_seconds,
        })
    }

    /// What `steps` steps cost since `before`.
    pub(crate) fn cost_since(&self, before: &Self, steps: usize) -> Cost {
        let per_step = |total: i64| rounded(total as f64 / steps as f64);
        let cpu_seconds: BTreeMap<String, f64> = self
            .cpu_seconds
            .iter()
            .filter_map(|(name, now)| {
                Some((name.clone(), rounded(now - before.cpu_seconds.get(name)?)))
            })
            .collect();
        let us_per_step = |seconds: &f64| (seconds * 1e6 / steps as f64).round();
        Cost {
            commits_per_step: per_step(
                self.counters.writing_transactions - before.counters.writing_transactions,
            ),
            transactions_per_step: None,
            wal_bytes_per_step: per_step(self.counters.wal_bytes - before.counters.wal_bytes)
                .round(),
            cpu_us_per_step: cpu_seconds
                .iter()
                .map(|(name, s)| (name.clone(), us_per_step(s)))
                .collect(),
            cpu_seconds,
        }
    }
}

/// The machine, the server and what the caller chose.
pub(crate) async fn setting(stage: &Stage, pool: &PgPool) -> Result<Setting> {
    let (postgres_version, postgres_settings) = server::describe(pool).await?;
    Ok(Setting {
        at: Utc::now().trunc_subsecs(0),
        cpu: proc::cpu_model(),
        memory_gib: proc::memory_gib(),
        kernel: proc::kernel(),
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        }
        .to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        load_1m: proc::load_1m(),
        postgres_version,
        postgres_settings,
        overrides: stage.globals.overrides.iter().cloned().collect(),
    })
}
