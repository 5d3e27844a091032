//! The services under load: which of them, how many, and what they cost in all.

use std::collections::BTreeMap;
use std::{fmt, fs};

use anyhow::{bail, Context as _, Result};
use tasker_client::Client;

use crate::cli::{Globals, Mode};
use crate::service::{Role, Service};
use crate::stage::{Database, Stage};

/// Who completes steps, and how many processes of each role there are. In direct mode
/// one process holds both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) mode: Mode,
    pub(crate) orchestrators: usize,
    pub(crate) workers: usize,
}

impl Fleet {
    /// Queued, with so many processes; none of a role is possible too.
    pub(crate) fn queued(orchestrators: usize, workers: usize) -> Self {
        Self {
            mode: Mode::Queued,
            orchestrators,
            workers,
        }
    }

    /// As the command line asks.
    pub(crate) fn asked(globals: &Globals, mode: Mode) -> Result<Self> {
        let (orchestrators, workers) = (globals.orchestrators.max(1), globals.workers.max(1));
        if mode == Mode::Direct && (orchestrators, workers) != (1, 1) {
            bail!("several orchestrators or workers need --mode queued");
        }
        Ok(Self {
            mode,
            orchestrators,
            workers,
        })
    }

    fn roles(self, database: &Database) -> Vec<Role> {
        match self.mode {
            Mode::Queued => {
                let orchestrators = (1..=self.orchestrators).map(|n| Role {
                    name: numbered("orchestrator", n),
                    program: "tasker-orchestrator",
                    bind: "orchestration.bind",
                    arguments: vec!["--set".to_owned(), "engine.mode=queued".to_owned()],
                    serves: true,
                });
                let workers = (1..=self.workers).map(|n| Role {
                    name: numbered("worker", n),
                    program: "tasker-worker",
                    bind: "worker.bind",
                    arguments: vec!["--set".to_owned(), "engine.mode=queued".to_owned()],
                    serves: false,
                });
                orchestrators.chain(workers).collect()
            }
            // It sets the mode itself, and takes a database by this flag only.
            Mode::Direct => vec![Role {
                name: "dev".to_owned(),
                program: "tasker",
                bind: "orchestration.bind",
                arguments: [
                    "dev",
                    "--database-url",
                    &database.url,
                    "--set",
                    "worker.bind=127.0.0.1:0",
                ]
                .map(str::to_owned)
                .to_vec(),
                serves: true,
            }],
        }
    }
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mode {
            Mode::Queued => write!(
                f,
                "orchestrators={} workers={}",
                self.orchestrators, self.workers
            ),
            Mode::Direct => f.write_str("one process"),
        }
    }
}

/// `orchestrator`, `orchestrator-2`, ...
fn numbered(role: &str, n: usize) -> String {
    match n {
        1 => role.to_owned(),
        n => format!("{role}-{n}"),
    }
}

/// The role of a process that [`numbered`] named.
fn role_of(name: &str) -> &str {
    name.split_once('-').map_or(name, |(role, _)| role)
}

/// All services of a run.
pub(crate) struct Services {
    /// Those that serve the API come first.
    list: Vec<Service>,
    /// One for each process that serves the API.
    pub(crate) clients: Vec<Client>,
}

impl Services {
    /// Starts what `fleet` says and waits until it is ready.
    pub(crate) async fn start(stage: &Stage, database: &Database, fleet: Fleet) -> Result<Self> {
        fs::create_dir_all(stage.config_dir())?;
        let mut list = Vec::new();
        for role in fleet.roles(database) {
            list.push(Service::start(stage, database, &role).await?);
        }
        let serving = list.iter().filter(|service| service.role.serves);
        let clients = serving.map(Service::client).collect::<Result<_>>()?;
        Ok(Self { list, clients })
    }

    /// A client of the first process that serves the API.
    pub(crate) fn client(&self) -> Result<&Client> {
        self.clients
            .first()
            .context("no service of this run serves the API")
    }

    /// A figure of each process, by its name; those without one are absent.
    pub(crate) fn each(&self, figure: impl Fn(u32) -> Option<f64>) -> BTreeMap<String, f64> {
        self.list
            .iter()
            .filter_map(|service| Some((service.role.name.clone(), figure(service.pid())?)))
            .collect()
    }

    /// A figure of each role, summed over its processes.
    pub(crate) fn by_role(&self, figure: impl Fn(u32) -> Option<f64>) -> BTreeMap<String, f64> {
        summed(self.each(figure))
    }

    /// The last words of all services, for the message of a failed run.
    pub(crate) fn log_tails(&self) -> String {
        let tail = |service: &Service| format!("--- {}\n{}", service.role.name, service.log_tail());
        self.list.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    /// Ends all of them as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.list.iter_mut().try_for_each(Service::kill)
    }

    /// Starts all of them again at once, after [`kill`](Self::kill).
    pub(crate) fn respawn(&mut self, stage: &Stage, database: &Database) -> Result<()> {
        self.list
            .iter_mut()
            .try_for_each(|service| service.respawn(stage, database))
    }

    /// Drains and ends them, those first that need the others.
    pub(crate) async fn stop(mut self) -> Result<()> {
        for service in self.list.iter_mut().rev() {
            service.stop().await?;
        }
        Ok(())
    }
}

fn summed(by_process: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut by_role = BTreeMap::new();
    for (name, figure) in by_process {
        *by_role.entry(role_of(&name).to_owned()).or_default() += figure;
    }
    by_role
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_role_are_summed() {
        let by_process = [("dev", 8.0), ("worker", 1.0), ("worker-2", 2.0)];
        let by_process = by_process.map(|(name, figure)| (name.to_owned(), figure));
        let expected = [("dev".to_owned(), 8.0), ("worker".to_owned(), 3.0)];
        assert_eq!(summed(by_process.into()), expected.into());
    }
}
