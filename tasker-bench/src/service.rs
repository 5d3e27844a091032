//! One service: a program beside this one, as a process of its own.
//!
//! It gets the configuration of production and what the caller set, and nothing of the
//! caller's environment.
//!
//! INVARIANT: no service outlives this process. A clean end drains it; a watchdog
//! kills it when this process is gone.

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

use crate::stage::{Database, Stage};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longer than a service takes to drain.
const DRAINED_WITHIN: Duration = Duration::from_secs(15);
/// Another process can take a port between its choice and its use.
const PORT_ATTEMPTS: usize = 3;
const LOG_LINES: usize = 15;

/// What a service is called and how it is started.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// That of the role; further processes of it have `-2`, `-3`, ... after it.
    pub(crate) name: String,
    pub(crate) program: &'static str,
    /// Its address is set as `key=address`.
    pub(crate) bind: &'static str,
    pub(crate) arguments: Vec<String>,
    /// It serves the API.
    pub(crate) serves: bool,
}

/// A started service. Dropping it kills it.
pub(crate) struct Service {
    pub(crate) role: Role,
    address: SocketAddr,
    child: Child,
    log: PathBuf,
    // After `child`: dismissed once the child has been waited for.
    _watchdog: Watchdog,
}

impl Service {
    /// Starts it at a free address and waits until it is ready.
    pub(crate) async fn start(stage: &Stage, database: &Database, role: &Role) -> Result<Self> {
        for attempt in 1.. {
            let mut service = Self::spawn(stage, database, role, free_address()?)?;
            match service.wait_ready().await {
                Ok(()) => return Ok(service),
                Err(_)
                    if attempt < PORT_ATTEMPTS
                        && service.log_tail().contains("cannot listen on") => {}
                Err(error) => return Err(error),
            }
        }
        bail!("the {} was not started", role.name)
    }

    /// Starts it again where it was, after [`kill`](Self::kill); does not wait until
    /// it is ready.
    pub(crate) fn respawn(&mut self, stage: &Stage, database: &Database) -> Result<()> {
        *self = Self::spawn(stage, database, &self.role, self.address)?;
        Ok(())
    }

    fn spawn(stage: &Stage, database: &Database, role: &Role, address: SocketAddr) -> Result<Self> {
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
        let overrides = &stage.globals.overrides;
        command
            .args(&role.arguments)
            .args(["--set", &format!("{}={address}", role.bind)])
            .args(
                overrides
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
            Ok(watchdog) => Ok(Self {
                role: role.clone(),
                address,
                child,
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

    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(&format!("http://{}", self.address))?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let client = self.client()?.with_timeout(Duration::from_secs(5));
        let end = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the {} ended while starting ({status}):\n{}",
                    self.role.name,
                    self.log_tail()
                );
            }
            match client.ready().await {
                Ok(readiness) if readiness.ready => return Ok(()),
                _ if Instant::now() > end => {
                    bail!(
                        "the {} was not ready in time:\n{}",
                        self.role.name,
                        self.log_tail()
                    )
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Drains and ends it.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        // Not waited for yet, so the id is still its own.
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        let end = Instant::now() + DRAINED_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!(
                    "the {} did not drain in time:\n{}",
                    self.role.name,
                    self.log_tail()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.kill();
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
