//! Starting the worker: configuration, telemetry, templates, database, loops.
//!
//! As a Rust worker starts, but for two things. Signals are not caught: they are Ruby's.
//! And templates that the Ruby process knows are registered before the first claim, so
//! that its handlers are found in their namespaces from the beginning.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use magnus::{Error, Ruby};
use tasker_shared::config::{self, Config, ConfigSources};
use tasker_shared::domain::{parse_template, Namespace, Template};
use tasker_shared::store::{templates, OpenError, Store, StoreError};
use tasker_shared::telemetry::{self, TelemetryGuard};
use tasker_worker_foundation::{Worker, WorkerError, WorkerHandle};
use tokio_util::sync::CancellationToken;

use crate::entry::{panic_message, raise, Kind};
use crate::options::{Options, TemplateText};
use crate::queue::{Queue, RubyDispatch};

/// A worker that claims steps.
pub(crate) struct Started {
    pub(crate) handle: WorkerHandle,
    pub(crate) store: Store,
    pub(crate) queue: Arc<Queue>,
    pub(crate) concurrency: usize,
    pub(crate) dispatch_wait_seconds: u64,
}

/// Why there is none.
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
        }
    }
}

impl Failure {
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        Self::new(Kind::Panic, "native_panic", panic_message(panic))
    }

    pub(crate) fn into_error(self, ruby: &Ruby) -> Error {
        raise(ruby, self.kind, self.code, self.message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Database, error.code(), error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Unreachable { .. } => "unreachable",
            OpenError::Store(error) => error.code(),
            OpenError::Migrate(error) => error.code(),
            OpenError::NotMigrated { .. } => "not_migrated",
        };
        Self::new(Kind::Database, code, error.to_string())
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Store(error) => error.into(),
            WorkerError::Public { .. } => {
                Self::new(Kind::Configuration, "public_bind", error.to_string())
            }
            WorkerError::Bind { .. } => {
                let message = format!(
                    "{error}: set worker.bind to a free address, such as 127.0.0.1:0 for any free port"
                );
                Self::new(Kind::Start, "bind", message)
            }
        }
    }
}

/// The one exporter of spans of the process, shared by its workers.
static TELEMETRY: Mutex<Option<TelemetryGuard>> = Mutex::new(None);

/// Starts a worker that runs until `stop` is cancelled. Call it inside its runtime.
pub(crate) async fn start(options: Options, stop: CancellationToken) -> Result<Started, Failure> {
    let mut config = configure(options.config_dir, options.overrides)?;
    if options.hands_on {
        config.worker.concurrency = config.worker.dispatch_limit;
    }
    let parsed = parse(&options.templates)?;
    let store = Store::open(&config).await?;
    for template in &parsed {
        templates::register(&store, template).await?;
    }
    know_all(&store, &config.worker.namespaces).await?;
    let concurrency = config.worker.concurrency;
    let queue = Arc::new(Queue::new(concurrency));
    let dispatch = Arc::new(RubyDispatch {
        gather: OnceLock::new(),
        queue: queue.clone(),
        handler_classes: options.handler_classes,
        hands_on: options.hands_on,
    });
    let handle = Worker::start(&config, store.clone(), dispatch, stop).await?;
    Ok(Started {
        handle,
        store,
        queue,
        concurrency,
        dispatch_wait_seconds: config.worker.dispatch_wait_seconds,
    })
}

/// Reads the configuration, and begins logs and traces as it says.
pub(crate) fn configure(
    config_dir: Option<PathBuf>,
    overrides: Vec<(String, String)>,
) -> Result<Config, Failure> {
    let sources = ConfigSources::from_process(config_dir, overrides);
    let loaded = config::load(&sources).map_err(|error| {
        Failure::new(
            Kind::Configuration,
            "configuration_refused",
            error.to_string(),
        )
    })?;
    begin_telemetry(&loaded.config)?;
    tracing::debug!("effective configuration:\n{loaded}");
    Ok(loaded.config)
}

pub(crate) fn begin_telemetry(config: &Config) -> Result<(), Failure> {
    let mut kept = TELEMETRY.lock().unwrap_or_else(PoisonError::into_inner);
    let guard = telemetry::init(&config.telemetry, "worker").map_err(|error| {
        Failure::new(Kind::Configuration, "telemetry_refused", error.to_string())
    })?;
    // The first guard is the one that exports; later ones do nothing.
    kept.get_or_insert(guard);
    Ok(())
}

/// Sends the spans of a worker that has stopped.
pub(crate) fn flush_telemetry() {
    let kept = TELEMETRY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(guard) = &*kept {
        guard.flush();
    }
}

/// Reads all templates, and lists the problems of all of them.
fn parse(texts: &[TemplateText]) -> Result<Vec<Template>, Failure> {
    let mut parsed = Vec::with_capacity(texts.len());
    let mut problems = Vec::new();
    for text in texts {
        match parse_template(&text.yaml, &text.source, &text.environment) {
            Ok(read) => {
                for warning in &read.warnings {
                    tracing::warn!("{warning}");
                }
                parsed.push(read.template);
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        return Ok(parsed);
    }
    let message = format!("templates refused:\n{}", problems.join("\n"));
    Err(Failure::new(
        Kind::Configuration,
        "template_refused",
        message,
    ))
}

/// Refuses a namespace that no template has: it has no queue to claim from, and is a
/// mistake more often than a template that somebody will register later.
async fn know_all(store: &Store, wanted: &[Namespace]) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut known: Vec<String> = templates::list(store)
        .await?
        .into_iter()
        .map(|template| template.namespace)
        .collect();
    known.dedup();
    let unknown: Vec<&str> = wanted
        .iter()
        .map(Namespace::as_str)
        .filter(|name| !known.iter().any(|known| known == name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known = match known.as_slice() {
        [] => "none".to_owned(),
        known => known.join(", "),
    };
    let message = format!(
        "worker.namespaces: no template is registered in {}; namespaces with templates: {known}. Register the \
         template first, or give it to this worker",
        unknown.join(", ")
    );
    Err(Failure::new(
        Kind::Configuration,
        "unknown_namespace",
        message,
    ))
}
