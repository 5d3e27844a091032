//! Where the runs take place: one private cluster, and a new database for each run, so
//! that no run pays for the history of another.
//!
//! With `--database-url` there is neither: the runs share that database.

use std::path::{Path, PathBuf};

use anyhow::{bail, Context as _, Result};
use tasker_cluster::{Cluster, Settings};
use tasker_shared::config::{self, ConfigSources};
use tasker_shared::store::verify::verify;
use tasker_shared::store::Store;
use tempfile::TempDir;

use crate::cli::Globals;

/// The cluster, and a directory for the logs of the services.
pub(crate) struct Stage {
    pub(crate) globals: Globals,
    cluster: Option<Cluster>,
    directory: TempDir,
    runs: usize,
    /// Of these, how many have no database any more.
    cleared: usize,
}

/// A migrated database.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) store: Store,
}

impl Stage {
    pub(crate) fn new(globals: Globals) -> Result<Self> {
        let directory =
            TempDir::with_prefix("tasker-bench-").context("cannot make a temporary directory")?;
        let cluster = match &globals.database_url {
            Some(_) => None,
            None => Some(Cluster::builder().settings(settings(&globals)).start()?),
        };
        Ok(Self {
            globals,
            cluster,
            directory,
            runs: 0,
            cleared: 0,
        })
    }

    /// The database for the next run.
    pub(crate) async fn database(&mut self) -> Result<Database> {
        self.runs += 1;
        let name = name_of(self.runs);
        let url = match (&self.cluster, &self.globals.database_url) {
            (Some(cluster), _) => {
                cluster.create_database(&name)?;
                cluster.url(&name)
            }
            (None, Some(url)) => url.clone(),
            (None, None) => bail!("there is neither a cluster nor a database"),
        };
        let config = config::load(&ConfigSources {
            directory: None,
            environment: "production".to_owned(),
            overrides: self.globals.overrides.clone(),
            variables: vec![("TASKER__DATABASE__URL".to_owned(), url.clone())],
        })?
        .config;
        let store = Store::open(&config).await?;
        if self.globals.profile {
            self.admin(&name, "CREATE EXTENSION pg_stat_statements")?;
        }
        Ok(Database { name, url, store })
    }

    /// Drops the databases of the runs so far, so that the next one does not compete with
    /// vacuum and checkpoints of theirs: a drop is a checkpoint too.
    pub(crate) fn clear(&mut self) -> Result<()> {
        if self.cluster.is_some() {
            for run in self.cleared + 1..=self.runs {
                let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", name_of(run));
                self.admin("postgres", &sql)?;
            }
        }
        self.cleared = self.runs;
        Ok(())
    }

    /// The private cluster, if that is what this runs on.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Runs SQL as the superuser of the private cluster.
    pub(crate) fn admin(&self, database: &str, sql: &str) -> Result<Vec<tasker_cluster::Row>> {
        let cluster = self
            .cluster
            .as_ref()
            .context("this needs the private cluster")?;
        Ok(cluster.execute(database, sql)?)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// An empty place for configuration, so that the services take nothing from the
    /// directory this is run in.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.directory.path().join("config")
    }
}

impl Database {
    /// Checks the invariants of the engine, and closes.
    pub(crate) async fn verify(self) -> Result<()> {
        let violations = verify(&self.store).await?;
        self.store.pool().close().await;
        if let Some(first) = violations.first() {
            bail!(
                "{} violations of the engine's invariants, such as {first:?}",
                violations.len()
            );
        }
        Ok(())
    }
}

/// The database of a run.
fn name_of(run: usize) -> String {
    format!("tasker_bench_{run}")
}

fn settings(globals: &Globals) -> Settings {
    let mut settings = Settings::dev();
    if globals.profile {
        settings = settings
            .set("shared_preload_libraries", "pg_stat_statements")
            .set("track_io_timing", "on");
    }
    globals
        .postgres
        .iter()
        .fold(settings, |settings, (name, value)| {
            settings.set(name, value)
        })
}
