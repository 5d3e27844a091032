//! `tasker-orchestrator`: the orchestration service as a program of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tasker_shared::config::ConfigSources;
use tasker_shared::program::Program;

/// Takes tasks in, moves them on and serves the REST API.
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
    let program = match Program::begin("orchestrator", &sources) {
        Ok(program) => program,
        Err(error) => return refuse(error.exit_code(), &error),
    };
    match tasker_orchestration::run_service(&program.config, program.shutdown.clone()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(1, &error),
    }
}

fn refuse(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("tasker-orchestrator: {error}");
    ExitCode::from(code)
}
