//! `tasker dev`: orchestration and a worker in this one process, in `direct` mode,
//! on a private cluster that stays for the next time.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tasker_cluster::{Cluster, ClusterError};
use tasker_orchestration::{Orchestrator, OrchestratorHandle};
use tasker_shared::config::{Config, ConfigEntry, Loaded, Origin, Telemetry};
use tasker_shared::store::Store;
use tasker_worker_foundation::{RustDispatch, Worker, WorkerHandle};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::database::open;
use super::service;
use crate::failure::{Exit, Failure};
use crate::render::{fields, Ink};
use crate::session::Session;
use crate::signals;

const DATABASE: &str = "tasker_dev";

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Use this database instead of a private cluster
    #[arg(long, value_name = "URL", conflicts_with_all = ["ephemeral", "data_dir"])]
    database_url: Option<String>,
    /// Use a temporary cluster that is removed at the end
    #[arg(long, conflicts_with = "data_dir")]
    ephemeral: bool,
    /// Where the private cluster is kept
    #[arg(long, value_name = "DIR", default_value = ".tasker/pg")]
    data_dir: PathBuf,
    /// Port of the API [default: as configured, 8080]
    #[arg(long)]
    port: Option<u16>,
    /// Port of the worker's health and metrics [default: as configured, 8081]
    #[arg(long)]
    worker_port: Option<u16>,
}

pub(crate) async fn run(session: &Session, args: &DevArgs) -> Result<Exit, Failure> {
    let shutdown = signals::shutdown()?;
    let cluster = cluster(session, args).await?;
    let result = serve(session, args, cluster.as_ref(), &shutdown).await;
    let stopped = spawn_blocking(move || drop(cluster)).await;
    result?;
    stopped.map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Exit::Ok)
}

/// The private cluster, unless another database is named.
async fn cluster(session: &Session, args: &DevArgs) -> Result<Option<Cluster>, Failure> {
    let named = session
        .globals
        .overrides
        .iter()
        .any(|(key, _)| key == "database.url");
    if args.database_url.is_some() || named {
        return Ok(None);
    }
    let directory = (!args.ephemeral).then(|| args.data_dir.clone());
    let started = spawn_blocking(move || -> Result<Cluster, ClusterError> {
        let mut builder = Cluster::builder();
        if let Some(directory) = directory {
            builder = builder.directory(directory);
        }
        let cluster = builder.start()?;
        cluster.ensure_database(DATABASE)?;
        Ok(cluster)
    });
    let cluster = started
        .await
        .map_err(|error| Failure::internal(error.to_string()))?;
    match cluster {
        Ok(cluster) => Ok(Some(cluster)),
        Err(error @ ClusterError::InUse { .. }) => Err(Failure::from(error).remedy(
            "another `tasker dev` runs here; use --ephemeral or --data-dir for a second one",
        )),
        Err(error) => Err(error.into()),
    }
}

async fn serve(
    session: &Session,
    args: &DevArgs,
    cluster: Option<&Cluster>,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let config = configuration(session, args, cluster)?;
    let _telemetry = service::telemetry(&config, "dev")?;
    let store = open(&config).await?;
    let orchestrator = start_orchestrator(&config, &store, shutdown).await?;
    let worker = match start_worker(&config, &store, shutdown).await {
        Ok(worker) => worker,
        Err(failure) => {
            shutdown.cancel();
            orchestrator.join().await;
            return Err(failure);
        }
    };
    banner(session, &config, cluster, &orchestrator, &worker)?;
    shutdown.cancelled().await;
    session.out.note("draining");
    worker.join().await;
    orchestrator.join().await;
    Ok(())
}

/// The configuration, with `dev`'s own settings. The log is for warnings, so that the
/// banner can be seen, unless somebody asked for more.
fn configuration(
    session: &Session,
    args: &DevArgs,
    cluster: Option<&Cluster>,
) -> Result<Config, Failure> {
    let Loaded {
        mut config,
        origins,
    } = session.load(&overrides(args, cluster))?;
    let asked = |entry: &ConfigEntry| {
        let by_hand = matches!(entry.origin, Origin::Variable(_) | Origin::CommandLine);
        entry.key == "telemetry.log_level" && by_hand
    };
    let untouched = config.telemetry.log_level == Telemetry::default().log_level;
    if untouched && !origins.iter().any(asked) {
        "warn".clone_into(&mut config.telemetry.log_level);
    }
    Ok(config)
}

/// What `dev` sets, below the user's own `--set`.
fn overrides(args: &DevArgs, cluster: Option<&Cluster>) -> Vec<(&'static str, String)> {
    let mut set = vec![("engine.mode", "direct".to_owned())];
    if let Some(url) = args
        .database_url
        .clone()
        .or_else(|| cluster.map(|c| c.url(DATABASE)))
    {
        set.push(("database.url", url));
    }
    if let Some(port) = args.port {
        set.push(("orchestration.bind", format!("127.0.0.1:{port}")));
    }
    if let Some(port) = args.worker_port {
        set.push(("worker.bind", format!("127.0.0.1:{port}")));
    }
    set
}

async fn start_orchestrator(
    config: &Config,
    store: &Store,
    shutdown: &CancellationToken,
) -> Result<OrchestratorHandle, Failure> {
    Orchestrator::start(config, store.clone(), shutdown.clone())
        .await
        .map_err(|error| service::start_failed(&error, "orchestration.bind"))
}

async fn start_worker(
    config: &Config,
    store: &Store,
    shutdown: &CancellationToken,
) -> Result<WorkerHandle, Failure> {
    let dispatch = Arc::new(RustDispatch::new(tasker_worker_rust::registry()));
    Worker::start(config, store.clone(), dispatch, shutdown.clone())
        .await
        .map_err(|error| service::start_failed(&error, "worker.bind"))
}

fn banner(
    session: &Session,
    config: &Config,
    cluster: Option<&Cluster>,
    orchestrator: &OrchestratorHandle,
    worker: &WorkerHandle,
) -> Result<(), Failure> {
    let style = session.out.style;
    let api = format!("http://{}", orchestrator.address());
    let templates = config.templates.directory.join("tasks");
    let there = if templates.is_dir() {
        ""
    } else {
        " (not there)"
    };
    let mut lines = vec![
        ("api", api.clone()),
        ("documentation", format!("{api}/docs")),
        ("worker", format!("http://{}", worker.address())),
        ("templates", format!("{}{there}", templates.display())),
    ];
    lines.push(match cluster {
        Some(cluster) => ("database", format!("psql '{}'", cluster.url(DATABASE))),
        None => ("database", config.database.describe()),
    });
    if !api.ends_with(":8080") {
        lines.push(("for the CLI", format!("export TASKER_URL={api}")));
    }
    let title = style.paint(Ink::Strong, "Tasker is running.");
    session.out.text(&format!(
        "{title} Ctrl-C drains and ends it.\n\n{}\n",
        fields(&lines, style)
    ))
}
