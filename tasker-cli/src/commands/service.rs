//! `tasker orchestrator` and `tasker worker`: the services, as their own binaries
//! run them.

use std::sync::Arc;

use clap::Args;
use tasker_shared::config::Config;
use tokio_util::sync::CancellationToken;

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
    let (config, shutdown) = prepare(session, args)?;
    tasker_orchestration::run_service(&config, shutdown)
        .await
        .map_err(|error| Failure::of(Exit::Internal, &error))?;
    Ok(Exit::Ok)
}

pub(crate) async fn worker(session: &Session, args: &ServiceArgs) -> Result<Exit, Failure> {
    let (config, shutdown) = prepare(session, args)?;
    let dispatch = Arc::new(tasker_worker_foundation::RustDispatch::new(
        tasker_worker_rust::registry(),
    ));
    tasker_worker_foundation::run_service(&config, dispatch, shutdown)
        .await
        .map_err(|error| Failure::of(Exit::Internal, &error))?;
    Ok(Exit::Ok)
}

fn prepare(session: &Session, args: &ServiceArgs) -> Result<(Config, CancellationToken), Failure> {
    let config = session.config()?;
    let shutdown = signals::shutdown()?;
    if args.stop_with_stdin {
        signals::stop_with_stdin(&shutdown);
    }
    Ok((config, shutdown))
}
