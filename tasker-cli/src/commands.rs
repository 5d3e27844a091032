//! What the verbs do, one file per noun.

pub(crate) mod completions;
pub(crate) mod config;
mod database;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod explain;
mod input;
pub(crate) mod migrate;
pub(crate) mod service;
pub(crate) mod step;
pub(crate) mod task;
pub(crate) mod template;
pub(crate) mod verify;
mod watch;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::session::Session;

/// Runs the command to its end.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Failure> {
    let session = Session::new(cli.globals);
    match cli.command {
        Command::Demo(args) => demo::run(&session, &args).await,
        Command::Dev(args) => dev::run(&session, &args).await,
        Command::Migrate(args) => migrate::run(&session, &args).await,
        Command::Orchestrator(args) => service::orchestrator(&session, &args).await,
        Command::Worker(args) => service::worker(&session, &args).await,
        Command::Task(command) => task::run(&session, command).await,
        Command::Step(command) => step::run(&session, command).await,
        Command::Template(command) => template::run(&session, command).await,
        Command::Config(command) => config::run(&session, &command),
        Command::Verify(args) => verify::run(&session, &args).await,
        Command::Explain(args) => explain::run(&session, &args).await,
        Command::Completions(args) => completions::run(&session, &args),
    }
}
