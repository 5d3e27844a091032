//! Orchestration as a component: starts intake, result consumers, timer and API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tasker_shared::config::{Config, Mode};
use tasker_shared::domain::Namespace;
use tasker_shared::messaging::Channel;
use tasker_shared::store::{health, OpenError, Store, StoreError};
use tasker_shared::supervise::{jittered, LoopHealth};
use tasker_shared::telemetry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, ApiOptions, AppState, BindError, ServeLimits};
use crate::intake::{self, IntakeHandle, IntakeOptions};
use crate::template_loader::TemplateLoader;
use crate::{repair, results, sweep};

/// Why orchestration cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OrchestratorError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the OpenAPI document cannot be written: {0}")]
    OpenApi(#[from] serde_json::Error),
}

/// Orchestration.
pub struct Orchestrator;

impl Orchestrator {
    /// Starts orchestration until `shutdown`: registers the templates found on
    /// disk, then takes tasks in and moves them on.
    ///
    /// # Errors
    /// If the address is taken or refused, or the database cannot be reached.
    pub async fn start(
        config: &Config,
        store: Store,
        shutdown: CancellationToken,
    ) -> Result<OrchestratorHandle, OrchestratorError> {
        let section = &config.orchestration;
        let listener = api::bind(section.bind, section.allow_public).await?;
        let address = listener.local_addr().map_err(|source| BindError::Listen {
            address: section.bind,
            source,
        })?;
        let loader = TemplateLoader::new(
            store.clone(),
            &config.templates.directory,
            &config.environment,
        );
        if config.templates.load_on_start {
            loader.load_all().await?;
        }
        let render = render_metrics(&store);
        let mut loops = Loops::default();
        let intake = intake::start(
            store.clone(),
            IntakeOptions {
                queue_max: section.intake_queue_max,
                batch_max: section.intake_batch_max,
                give_up_after: Duration::from_millis(section.request_timeout_ms),
            },
            loops.watch("intake"),
        );
        loops.start(config, &store, &shutdown);
        let mut running = std::mem::take(&mut loops.running);
        let pulse = loops.pulse(intake.clone());
        let options = ApiOptions::new(config);
        let state = AppState::new(store.clone(), intake, loader, options, pulse, render);
        let router = api::router(state)?;
        let limits = ServeLimits::new(config);
        running.push(tokio::spawn(async move {
            api::serve(listener, router, limits, shutdown).await;
        }));
        tracing::info!(%address, "orchestration started");
        Ok(OrchestratorHandle {
            address,
            store,
            running,
        })
    }
}

/// The background loops of the service and their signs of life.
#[derive(Default)]
struct Loops {
    health: Vec<Arc<LoopHealth>>,
    running: Vec<JoinHandle<()>>,
}

impl Loops {
    fn watch(&mut self, name: impl Into<String>) -> Arc<LoopHealth> {
        let health = LoopHealth::new(name);
        self.health.push(health.clone());
        health
    }

    fn start(&mut self, config: &Config, store: &Store, shutdown: &CancellationToken) {
        let section = &config.orchestration;
        // In direct mode nobody sends results; one consumer drains what a change
        // of mode may have left behind.
        let consumers = match config.engine.mode {
            Mode::Queued => section.result_consumers,
            Mode::Direct => 1,
        };
        for number in 0..consumers {
            let health = self.watch(format!("results {number}"));
            let consumer = results::run(store.clone(), health, shutdown.clone());
            self.running.push(tokio::spawn(consumer));
        }
        let health = self.watch("sweep");
        let sweep = sweep::run(store.clone(), health, shutdown.clone());
        self.running.push(tokio::spawn(sweep));
        let health = self.watch("repair");
        let repair = repair::run(store.clone(), health, shutdown.clone());
        self.running.push(tokio::spawn(repair));
        let interval = Duration::from_millis(section.queue_metrics_interval_ms);
        let health = self.watch("measure");
        let measure = measure(store.clone(), interval, health, shutdown.clone());
        self.running.push(tokio::spawn(measure));
    }

    /// What `/health/status` shows of the loops.
    fn pulse(self, intake: IntakeHandle) -> api::Pulse {
        Arc::new(move || {
            let waiting = intake.waiting() as i64;
            let counts = BTreeMap::from([("submissions_waiting".to_owned(), waiting)]);
            let loops = self.health.iter().map(|health| health.status()).collect();
            (counts, loops)
        })
    }
}

/// Writes the metrics, with the pool as it is at that moment.
fn render_metrics(store: &Store) -> api::RenderMetrics {
    let metrics = telemetry::install_recorder();
    let pool = store.pool().clone();
    Arc::new(move || {
        let idle = pool.num_idle() as f64;
        metrics::gauge!(telemetry::DB_POOL_CONNECTIONS, "state" => "idle").set(idle);
        metrics::gauge!(telemetry::DB_POOL_CONNECTIONS, "state" => "used")
            .set(f64::from(pool.size()) - idle);
        metrics.render()
    })
}

/// Why the orchestration service ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] OrchestratorError),
}

/// The whole service: waits for the database, migrates it, runs until `shutdown`.
///
/// # Errors
/// If it cannot start; once started it goes on through any loss of the database.
pub async fn run_service(config: &Config, shutdown: CancellationToken) -> Result<(), ServiceError> {
    let store = tokio::select! {
        store = Store::open(config) => store?,
        () = shutdown.cancelled() => return Ok(()),
    };
    Orchestrator::start(config, store, shutdown)
        .await?
        .join()
        .await;
    Ok(())
}

/// Running orchestration.
pub struct OrchestratorHandle {
    address: SocketAddr,
    store: Store,
    running: Vec<JoinHandle<()>>,
}

impl OrchestratorHandle {
    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until everything has ended after the shutdown.
    pub async fn join(self) {
        for task in self.running {
            // A panic has been logged by its thread.
            let _ = task.await;
        }
        self.store.hub().finish().await;
        tracing::info!("orchestration stopped");
    }
}

/// Measures the queues for the metrics, at a pace of its own: scrapes cost no query.
async fn measure(
    store: Store,
    interval: Duration,
    health: Arc<LoopHealth>,
    shutdown: CancellationToken,
) {
    let templates = store.hub().signal(&Channel::Templates);
    let mut namespaces: Option<Vec<Namespace>> = None;
    loop {
        match depths(&store, &mut namespaces).await {
            Ok(depths) => {
                health.turned();
                for depth in depths {
                    let label = |namespace: &Namespace| namespace.to_string();
                    metrics::gauge!(telemetry::QUEUE_DEPTH, "namespace" => label(&depth.namespace))
                        .set(depth.messages as f64);
                    metrics::gauge!(telemetry::QUEUE_OLDEST_SECONDS, "namespace" => label(&depth.namespace))
                        .set(depth.oldest_seconds);
                }
            }
            Err(error) => health.failed(&error),
        }
        tokio::select! {
            new = templates.wait(jittered(interval)) => if new { namespaces = None },
            () = shutdown.cancelled() => return,
        }
    }
}

async fn depths(
    store: &Store,
    namespaces: &mut Option<Vec<Namespace>>,
) -> Result<Vec<health::QueueDepth>, StoreError> {
    let known = match namespaces.take() {
        Some(known) => known,
        None => store.namespaces().await?,
    };
    health::queue_depths(store, namespaces.insert(known)).await
}
