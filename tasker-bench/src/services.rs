//! The services under load: the programs beside this one, as processes of their own.
//!
//! They get the configuration of production and what the caller set, and nothing of
//! the caller's environment.
//!
//! INVARIANT: no service outlives this process. A clean end drains it; a watchdog
//! kills it when this process is gone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, Context as _, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tasker_client::Client;
use tasker_cluster::Watchdog;

use crate::cli::Mode;
use crate::stage::{Database, Stage};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longer than a service takes to drain.
const DRAINED_WITHIN: Duration = Duration::from_secs(15);
/// Another process can take a port between its choice and its use.
const PORT_ATTEMPTS: usize = 3;
const LOG_LINES: usize = 15;

/// What one service is called and how it is started.
struct Role {
    name: &'static str,
    program: &'static str,
    /// Its address is set as `key=address`.
    bind: &'static str,
    arguments: Vec<String>,
}

/// A started service. Dropping it kills it.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    child: Child,
    base_url: String,
    log: PathBuf,
    // After `child`: dismissed once the child has been waited for.
    _watchdog: Watchdog,
}

/// All services of a run, and a client of the API.
pub(crate) struct Services {
    list: Vec<Service>,
    pub(crate) client: Client,
}

impl Services {
    /// Starts what `mode` needs and waits until it is ready.
    pub(crate) async fn start(stage: &Stage, database: &Database, mode: Mode) -> Result<Self> {
        fs::create_dir_all(stage.config_dir())?;
        let mut list = Vec::new();
        for role in roles(database, mode) {
            list.push(start(stage, database, &role).await?);
        }
        // Orchestration comes first in both modes.
        let client = Client::new(&list[0].base_url)?;
        Ok(Self { list, client })
    }

    /// A figure of each process, by the name of its role; those without one are absent.
    pub(crate) fn each(&self, figure: impl Fn(u32) -> Option<f64>) -> BTreeMap<String, f64> {
        self.list
            .iter()
            .filter_map(|service| Some((service.name.to_owned(), figure(service.child.id())?)))
            .collect()
    }

    /// The last words of all services, for the message of a failed run.
    pub(crate) fn log_tails(&self) -> String {
        let tail = |service: &Service| format!("--- {}\n{}", service.name, service.log_tail());
        self.list.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    /// Drains and ends them, those first that need the others.
    pub(crate) async fn stop(mut self) -> Result<()> {
        for service in self.list.iter_mut().rev() {
            service.stop().await?;
        }
        Ok(())
    }
}

fn roles(database: &Database, mode: Mode) -> Vec<Role> {
    match mode {
        Mode::Queued => vec![
            Role {
                name: "orchestrator",
                program: "tasker-orchestrator",
                bind: "orchestration.bind",
                arguments: vec!["--set".to_owned(), "engine.mode=queued".to_owned()],
            },
            Role {
                name: "worker",
                program: "tasker-worker",
                bind: "worker.bind",
                arguments: vec!["--set".to_owned(), "engine.mode=queued".to_owned()],
            },
        ],
        // It sets the mode itself, and takes a database by this flag only.
        Mode::Direct => vec![Role {
            name: "dev",
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
        }],
    }
}

async fn start(stage: &Stage, database: &Database, role: &Role) -> Result<Service> {
    for attempt in 1.. {
        let mut service = spawn(stage, database, role)?;
        match service.wait_ready().await {
            Ok(()) => return Ok(service),
            Err(_)
                if attempt < PORT_ATTEMPTS && service.log_tail().contains("cannot listen on") => {}
            Err(error) => return Err(error),
        }
    }
    bail!("the {} was not started", role.name)
}

fn spawn(stage: &Stage, database: &Database, role: &Role) -> Result<Service> {
    let address = free_address()?;
    let log = stage
        .directory()
        .join(format!("{}-{}.log", database.name, role.name));
    let file = File::create(&log)?;
    let mut command = Command::new(beside_this_program(role.program)?);
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("TASKER") || text.starts_with("OTEL_") || text == "DATABASE_URL" {
            command.env_remove(&variable);
        }
    }
    command
        .args(&role.arguments)
        .args(["--set", &format!("{}={address}", role.bind)])
        .args(
            stage
                .globals
                .overrides
                .iter()
                .flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]),
        )
        .env("TASKER_ENV", "production")
        .env("TASKER_CONFIG_DIR", stage.config_dir())
        .env("TASKER__TEMPLATES__LOAD_ON_START", "false")
        .env("TASKER__DATABASE__URL", &database.url)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", role.program))?;
    match Watchdog::kill_with_owner(child.id()) {
        Ok(watchdog) => Ok(Service {
            name: role.name,
            child,
            base_url: format!("http://{address}"),
            log,
            _watchdog: watchdog,
        }),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error).context("cannot run a watchdog")
        }
    }
}

fn beside_this_program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.is_file() {
        bail!(
            "{} is not there: build it the same way as this program, such as with \
             `cargo build --release -p tasker-orchestration -p tasker-worker-rust -p tasker-cli`",
            path.display()
        );
    }
    Ok(path)
}

/// A loopback address whose port was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

impl Service {
    async fn wait_ready(&mut self) -> Result<()> {
        let client = Client::new(&self.base_url)?.with_timeout(Duration::from_secs(5));
        let end = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the {} ended while starting ({status}):\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            match client.ready().await {
                Ok(readiness) if readiness.ready => return Ok(()),
                _ if Instant::now() > end => {
                    bail!(
                        "the {} was not ready in time:\n{}",
                        self.name,
                        self.log_tail()
                    )
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    async fn stop(&mut self) -> Result<()> {
        // Not waited for yet, so the id is still its own.
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        let end = Instant::now() + DRAINED_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!(
                    "the {} did not drain in time:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
