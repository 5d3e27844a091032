//! `tasker-worker`: a Rust worker as a program of its own.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tasker_shared::config::{load, ConfigSources};
use tasker_shared::supervise::shutdown_on_signals;
use tasker_shared::telemetry;
use tasker_worker_foundation::{run_service, RustDispatch};

/// Runs the steps of the Rust handlers in this crate.
///
/// Configuration: config files, then `TASKER__SECTION__KEY` variables, then --set.
/// Ends with 0 after SIGTERM or SIGINT, 2 for a configuration it refuses, 1 for
/// anything else.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Directory of the configuration files [default: config, if there is one].
    #[arg(long, env = "TASKER_CONFIG_DIR")]
    config_dir: Option<PathBuf>,
    /// Sets a value above all files and variables: section.key=value.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected section.key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sources = ConfigSources::from_process(arguments.config_dir, arguments.overrides);
    let loaded = match load(&sources) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(2, &error),
    };
    let config = &loaded.config;
    let _telemetry = match telemetry::init(&config.telemetry, "worker") {
        Ok(guard) => guard,
        Err(error) => return refuse(2, &error),
    };
    tracing::debug!("effective configuration:\n{loaded}");
    let shutdown = match shutdown_on_signals() {
        Ok(token) => token,
        Err(error) => return refuse(1, &error),
    };
    let dispatch = Arc::new(RustDispatch::new(tasker_worker_rust::registry()));
    match run_service(config, dispatch, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(1, &error),
    }
}

fn refuse(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("tasker-worker: {error}");
    ExitCode::from(code)
}
