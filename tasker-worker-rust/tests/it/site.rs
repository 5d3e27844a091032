//! A database, and the services that a test runs on it.
//!
//! Services take any free port and the shortest lease allowed, and read no
//! configuration but what the test gives them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use tasker_client::{Client, Include};
use tasker_shared::config::{Config, Secret};
use tasker_shared::domain::State;
use tasker_shared::store::verify::verify;
use tasker_shared::store::Store;
use tasker_shared::wire::{StepView, TaskRequest, TaskView};
use tasker_testkit::{eventually, ServiceBuilder, ServiceProcess, TestDatabase};

/// For everything that is only a matter of time; far beyond a lease.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const SETTINGS: [&str; 6] = [
    "database.pool_max_connections=4",
    "engine.lease_ms=5000",
    "engine.poll_interval_ms=500",
    "templates.load_on_start=false",
    "orchestration.bind=127.0.0.1:0",
    "worker.bind=127.0.0.1:0",
];

/// A database for services.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) url: String,
    _database: Option<TestDatabase>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::of(TestDatabase::migrated().await.unwrap()).await
    }

    pub(crate) async fn of(database: TestDatabase) -> Self {
        let url = database.url().to_owned();
        Self {
            _database: Some(database),
            ..Self::at(&url).await
        }
    }

    /// On a database that is not the site's own.
    pub(crate) async fn at(url: &str) -> Self {
        let mut config = Config::default();
        config.database.url = Some(Secret::new(url.to_owned()));
        config.database.pool_max_connections = 2;
        let store = Store::connect(&config).await.unwrap();
        Self {
            store,
            url: url.to_owned(),
            _database: None,
        }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.store.pool()
    }

    /// One value by SQL, for what no caller is shown.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// Waits until `sql` counts at least `least`.
    pub(crate) async fn counts(&self, what: &str, sql: &str, least: i64) {
        let probe = || async { (self.count(sql).await >= least).then_some(()) };
        eventually(what, PATIENCE, probe).await;
    }

    /// Waits until orchestration has applied whatever was reported.
    pub(crate) async fn results_applied(&self) {
        let empty = "SELECT 1 - LEAST(count(*), 1) FROM pgmq.q_step_results";
        self.counts("all reports are applied", empty, 1).await;
    }

    pub(crate) async fn orchestrator(&self) -> Service {
        self.orchestrator_with(&[]).await
    }

    pub(crate) async fn orchestrator_with(&self, settings: &[&str]) -> Service {
        let builder = self.command("tasker-orchestrator", settings);
        Service::start(builder, "orchestration started").await
    }

    pub(crate) async fn worker(&self) -> Service {
        self.worker_with(&[]).await
    }

    pub(crate) async fn worker_with(&self, settings: &[&str]) -> Service {
        Service::start(self.command("tasker-worker", settings), "worker started").await
    }

    /// A program with the usual settings and then those given.
    pub(crate) fn command(&self, program: &str, settings: &[&str]) -> ServiceBuilder {
        let builder = ServiceProcess::binary(program)
            .unwrap()
            .env("DATABASE_URL", &self.url);
        SETTINGS
            .iter()
            .chain(settings)
            .fold(builder, |builder, setting| {
                builder.arg("--set").arg(setting)
            })
    }

    /// No invariant of the engine is broken.
    pub(crate) async fn assert_sound(&self) {
        let violations = verify(&self.store).await.unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

/// A service that has started.
pub(crate) struct Service {
    pub(crate) process: ServiceProcess,
    pub(crate) address: SocketAddr,
    /// Of its API; a worker's has health and metrics only.
    pub(crate) client: Client,
}

impl Service {
    /// Starts a program and waits for the log line that names its address.
    pub(crate) async fn start(builder: ServiceBuilder, line: &str) -> Self {
        let mut process = builder.start().unwrap();
        let address = process.wait_for_address(line, PATIENCE).await.unwrap();
        let client = Client::new(&format!("http://{address}")).unwrap();
        Self {
            process,
            address,
            client,
        }
    }

    /// Waits for an answer of `/health/ready` with this status.
    pub(crate) async fn ready_answers(&mut self, status: u16) {
        let address = self.address;
        self.process
            .wait_for_status(address, "/health/ready", status, PATIENCE)
            .await
            .unwrap();
    }

    /// A metric, all its series together.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        self.metric_of(name, "").await
    }

    /// A metric, all its series with this label together.
    pub(crate) async fn metric_of(&self, name: &str, label: &str) -> f64 {
        let text = self.client.metrics().await.unwrap();
        let of_metric =
            |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(label);
        let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        text.lines().filter(of_metric).filter_map(value).sum()
    }

    /// Waits until a worker holds no step.
    pub(crate) async fn empty_handed(&self) {
        let probe = || async {
            let status = self.client.status().await.ok()?;
            (status.counts["steps_in_hand"] == 0).then_some(())
        };
        eventually("the worker holds no step", PATIENCE, probe).await;
    }
}

/// A request for `namespace/name`.
pub(crate) fn request(template: &str, context: Value) -> TaskRequest {
    let (namespace, name) = template.split_once('/').unwrap();
    TaskRequest {
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        context,
        ..TaskRequest::default()
    }
}

/// Submits a task of `namespace/name`; its id.
pub(crate) async fn submit(client: &Client, template: &str, context: Value) -> i64 {
    client
        .submit(&request(template, context))
        .await
        .unwrap()
        .task
        .task_id
}

/// Waits for the end of a task.
pub(crate) async fn ended(client: &Client, task_id: i64) -> TaskView {
    client.wait(task_id, PATIENCE, |_| ()).await.unwrap()
}

/// Waits for the end of tasks, which must be good.
pub(crate) async fn complete(client: &Client, tasks: &[i64]) {
    for task_id in tasks {
        let task = ended(client, *task_id).await;
        assert_eq!(
            task.state,
            State::Complete,
            "{:?}",
            client.explain(*task_id).await
        );
    }
}

/// A step with all that is known of it.
pub(crate) async fn step(client: &Client, task_id: i64, name: &str) -> StepView {
    let steps = client.steps(task_id).await.unwrap();
    let step = steps.iter().find(|step| step.name == name).unwrap();
    client.step(task_id, step.step_id).await.unwrap()
}

/// Waits until a step is in a worker's hands.
pub(crate) async fn running(client: &Client, task_id: i64, name: &str) -> StepView {
    let probe = || async { Some(step(client, task_id, name).await).filter(|step| step.in_process) };
    eventually(&format!("step {name} runs"), PATIENCE, probe).await
}

/// Kinds of the failed attempts of a step, oldest first.
pub(crate) fn failure_kinds(step: &StepView) -> Vec<(i32, &str)> {
    step.failures
        .iter()
        .flatten()
        .map(|failure| (failure.attempt, failure.kind.as_str()))
        .collect()
}

/// States of all steps of a task by name, in template order.
pub(crate) async fn states(client: &Client, task_id: i64) -> Vec<(String, State)> {
    let task = client
        .task(
            task_id,
            Include {
                steps: true,
                transitions: false,
            },
        )
        .await
        .unwrap();
    task.steps
        .unwrap()
        .into_iter()
        .map(|step| (step.name, step.state))
        .collect()
}
