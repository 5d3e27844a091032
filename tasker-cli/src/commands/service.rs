//! `tasker orchestrator` and `tasker worker`: the services, as their own binaries
//! run them.

use std::error::Error;
use std::sync::Arc;

use clap::Args;
use tasker_shared::config::Config;
use tasker_shared::telemetry::{self, TelemetryGuard};
use tasker_worker_foundation::RustDispatch;
use tokio_util::sync::CancellationToken;

use super::database::open_failed;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Drain and end when stdin ends: for a parent that starts this as its child
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

pub(crate) async fn orchestrator(session: &Session, args: &ServiceArgs) -> Result<Exit, Failure> {
    use tasker_orchestration::{run_service, ServiceError};
    let (config, shutdown) = prepare(session, args)?;
    let _telemetry = telemetry(&config, "orchestrator")?;
    match run_service(&config, shutdown).await {
        Ok(()) => Ok(Exit::Ok),
        Err(ServiceError::Open(error)) => Err(open_failed(&config, &error)),
        Err(ServiceError::Start(error)) => Err(start_failed(&error, "orchestration.bind")),
    }
}

pub(crate) async fn worker(session: &Session, args: &ServiceArgs) -> Result<Exit, Failure> {
    use tasker_worker_foundation::{run_service, ServiceError};
    let (config, shutdown) = prepare(session, args)?;
    let _telemetry = telemetry(&config, "worker")?;
    let dispatch = Arc::new(RustDispatch::new(tasker_worker_rust::registry()));
    match run_service(&config, dispatch, shutdown).await {
        Ok(()) => Ok(Exit::Ok),
        Err(ServiceError::Open(error)) => Err(open_failed(&config, &error)),
        Err(ServiceError::Start(error)) => Err(start_failed(&error, "worker.bind")),
    }
}

fn prepare(session: &Session, args: &ServiceArgs) -> Result<(Config, CancellationToken), Failure> {
    let config = session.config()?;
    let shutdown = signals::shutdown()?;
    if args.stop_with_stdin {
        signals::stop_with_stdin(&shutdown);
    }
    Ok((config, shutdown))
}

pub(crate) fn telemetry(config: &Config, role: &'static str) -> Result<TelemetryGuard, Failure> {
    telemetry::init(&config.telemetry, role).map_err(|error| Failure::of(Exit::Usage, &error))
}

/// A service that can not start: most often its address is taken.
pub(crate) fn start_failed(error: &dyn Error, bind: &str) -> Failure {
    let failure = Failure::of(Exit::Internal, error);
    if failure.text().contains("cannot listen on") {
        return failure.remedy(format!("another address: --set {bind}=127.0.0.1:PORT"));
    }
    failure
}
