//! What the demo runs on: a temporary cluster, and the two services as children of
//! this process, with nothing of the caller's own configuration.
//!
//! INVARIANT: no child outlives this process. Each ends when its stdin does, which
//! also happens when this process is killed; `strike` waits for that, then kills.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tasker_client::Client;
use tasker_cluster::Cluster;
use tasker_shared::config::ConfigSources;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout, Instant};

use crate::failure::{Exit, Failure};

const DATABASE: &str = "tasker_demo";
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longer than a service takes to drain.
const DRAINED_WITHIN: Duration = Duration::from_secs(15);
/// Another process can take a port between its choice and its use.
const PORT_ATTEMPTS: usize = 3;
const LOG_LINES: usize = 15;

/// The templates of the demo, so that the program alone can run it.
const TEMPLATES: [(&str, &str); 2] = [
    (
        "ecommerce/order_fulfilment/1.0.0.yaml",
        include_str!("../../../../config/tasks/ecommerce/order_fulfilment/1.0.0.yaml"),
    ),
    (
        "analytics/flight_weather_report/1.0.0.yaml",
        include_str!("../../../../config/tasks/analytics/flight_weather_report/1.0.0.yaml"),
    ),
];

/// Everything that has to be gone at the end.
pub(super) struct Stage {
    services: Vec<Service>,
    cluster: Option<Cluster>,
    /// Configuration, templates and logs.
    directory: TempDir,
    url: String,
}

struct Service {
    name: &'static str,
    child: Child,
    base_url: String,
    log: PathBuf,
}

impl Stage {
    pub(super) fn new() -> Result<Self, Failure> {
        let directory = TempDir::with_prefix("tasker-demo-")
            .map_err(|error| cannot("make a temporary directory", &error))?;
        let stage = Self {
            services: vec![],
            cluster: None,
            directory,
            url: String::new(),
        };
        stage
            .write_templates()
            .map_err(|error| cannot("write the templates", &error))?;
        Ok(stage)
    }

    /// The templates of the tree this runs in, or else those it was built with.
    fn write_templates(&self) -> std::io::Result<()> {
        for (name, built_in) in TEMPLATES {
            let text = fs::read_to_string(Path::new("config/tasks").join(name));
            let file = self.config_dir().join("tasks").join(name);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(file, text.as_deref().unwrap_or(built_in))?;
        }
        Ok(())
    }

    fn config_dir(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Starts the cluster with an empty database and says where it is.
    pub(super) async fn start_cluster(&mut self) -> Result<String, Failure> {
        let started = spawn_blocking(|| {
            let cluster = Cluster::builder().start()?;
            cluster.create_database(DATABASE)?;
            Ok::<_, tasker_cluster::ClusterError>(cluster)
        });
        let cluster = started
            .await
            .map_err(|error| Failure::internal(error.to_string()))??;
        self.url = cluster.url(DATABASE);
        let place = format!(
            "{}, in {}",
            cluster.major_version(),
            cluster.directory().display()
        );
        self.cluster = Some(cluster);
        Ok(place)
    }

    /// Variables of the services: these and none of the caller's.
    fn variables(&self) -> Vec<(String, String)> {
        let config_dir = self.config_dir().display().to_string();
        [
            ("TASKER_ENV", "development".to_owned()),
            ("TASKER_CONFIG_DIR", config_dir.clone()),
            ("TASKER__TEMPLATES__DIRECTORY", config_dir),
            ("TASKER__DATABASE__URL", self.url.clone()),
            ("TASKER__ENGINE__MODE", "queued".to_owned()),
            ("TASKER__TELEMETRY__LOG_FORMAT", "human".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The same configuration for this process.
    pub(super) fn sources(&self) -> ConfigSources {
        ConfigSources {
            directory: None,
            environment: "development".to_owned(),
            overrides: vec![],
            variables: self.variables(),
        }
    }

    /// Starts the service, waits until it is ready and gives its address.
    pub(super) async fn start_orchestrator(&mut self) -> Result<String, Failure> {
        self.start("orchestrator", "orchestration.bind").await
    }

    pub(super) async fn start_worker(&mut self) -> Result<String, Failure> {
        self.start("worker", "worker.bind").await
    }

    async fn start(&mut self, name: &'static str, bind: &str) -> Result<String, Failure> {
        let mut attempt = 1;
        loop {
            let mut service = self.spawn(name, bind)?;
            let ready = service.wait_ready().await;
            let taken = service.log_tail().contains("cannot listen on");
            let base_url = service.base_url.clone();
            // Kept whether it is ready or not: it has to be gone at the end.
            self.services.push(service);
            match ready {
                Ok(()) => return Ok(base_url),
                Err(_) if taken && attempt < PORT_ATTEMPTS => attempt += 1,
                Err(failure) => return Err(failure),
            }
        }
    }

    fn spawn(&self, name: &'static str, bind: &str) -> Result<Service, Failure> {
        let failed = |error| cannot(&format!("start the {name}"), &error);
        let address = free_address().map_err(failed)?;
        let log = self.directory.path().join(format!("{name}.log"));
        let file = File::create(&log).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("TASKER") || variable == "DATABASE_URL" {
                command.env_remove(variable);
            }
        }
        command
            .args([
                name,
                "--stop-with-stdin",
                "--set",
                &format!("{bind}={address}"),
            ])
            .envs(self.variables())
            .stdin(Stdio::piped())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            // Ctrl-C reaches this process only, which ends its children in order.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        Ok(Service {
            name,
            child,
            base_url: format!("http://{address}"),
            log,
        })
    }

    /// Ends everything, in the order of who needs whom.
    pub(super) async fn strike(mut self) -> Result<(), Failure> {
        for service in self.services.iter_mut().rev() {
            service.stop().await;
        }
        let Some(cluster) = self.cluster.take() else {
            return Ok(());
        };
        spawn_blocking(move || drop(cluster))
            .await
            .map_err(|error| Failure::internal(error.to_string()))
    }
}

impl Service {
    async fn wait_ready(&mut self) -> Result<(), Failure> {
        let client = Client::new(&self.base_url)?.with_timeout(Duration::from_secs(5));
        let end = Instant::now() + READY_WITHIN;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.gone(&format!("ended while starting ({status})")));
            }
            match client.ready().await {
                Ok(readiness) if readiness.ready => return Ok(()),
                _ if Instant::now() > end => {
                    return Err(
                        self.gone(&format!("was not ready after {} s", READY_WITHIN.as_secs()))
                    );
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn gone(&self, what: &str) -> Failure {
        let failure = Failure::new(
            Exit::CheckFailed,
            format!("the {} {what}; the end of its log:", self.name),
        );
        self.log_tail().lines().fold(failure, Failure::remedy)
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    async fn stop(&mut self) {
        drop(self.child.stdin.take());
        if timeout(DRAINED_WITHIN, self.child.wait()).await.is_err() {
            // It had its time; an error here means that it is gone.
            let _ = self.child.kill().await;
        }
    }
}

/// A loopback address whose port was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn cannot(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::internal(format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use tasker_shared::domain::parse_template;

    use super::TEMPLATES;

    #[test]
    fn the_built_in_templates_stand_where_they_are_looked_up() {
        for (name, yaml) in TEMPLATES {
            let template = parse_template(yaml, name, "development").unwrap().template;
            let place = format!(
                "{}/{}/{}.yaml",
                template.namespace, template.name, template.version
            );
            assert_eq!(place, name);
        }
    }
}
