//! `tasker-bench`: what the engine does in a second, and what a step costs.
//!
//! Each run has a database of its own on one private cluster, the real services as
//! processes of their own, and load over the REST API. It prints one line of JSON on
//! standard output; progress and tables go to standard error. Every run ends with the
//! engine's invariants checked: a fast engine that loses a step is an error here.
//!
//! Timings are reported, never judged.

mod all;
mod anchor;
mod cells;
mod cli;
mod drive;
mod experiments;
mod figures;
mod latency;
mod lone;
mod measure;
mod plots;
mod proc;
mod profile;
mod readiness;
mod record;
mod records;
mod report;
mod run;
mod running;
mod seed;
mod series;
mod server;
mod service;
mod services;
mod shape;
mod stage;
mod stats;
mod table;
mod targets;
mod workload;

use std::process::ExitCode;

use anyhow::{bail, Result};
use clap::Parser as _;
use tokio::signal::unix::{signal, SignalKind};

use cli::{Cli, Command};
use record::Record;
use stage::Stage;

// One thread: the load must not take a core from what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // What an interrupted run leaves it drops: services, cluster and files are gone.
    let result = tokio::select! {
        biased;
        ended = interrupted() => ended.and_then(|()| bail!("interrupted")),
        result = bench(cli) => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tasker-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn bench(cli: Cli) -> Result<()> {
    match &cli.command {
        Command::Report(args) => return report::rewrite(&args.directory),
        Command::Chart => {
            let description = std::io::read_to_string(std::io::stdin())?;
            print!("{}", plots::chart(&description)?);
            return Ok(());
        }
        _ => {}
    }
    let mode = cli.globals.mode.unwrap_or_default();
    let stage = &mut Stage::new(cli.globals)?;
    let records = match cli.command {
        Command::Lone(args) => vec![lone::run(stage, &args, mode).await?],
        Command::Linear(args) => vec![run::load(stage, &args.into(), mode).await?],
        Command::Fan(args) => vec![run::load(stage, &args.into(), mode).await?],
        Command::Mixed(args) => vec![run::load(stage, &args.into(), mode).await?],
        Command::Layered(args) => vec![run::load(stage, &args.into(), mode).await?],
        Command::Readiness(args) => readiness::run(stage, &args).await?,
        Command::Anchor(args) => vec![anchor::run(stage, &args).await?],
        Command::Experiment(experiment) => experiment.run(stage).await?,
        Command::All(args) => return all::run(stage, &args).await,
        Command::Report(_) | Command::Chart => vec![],
    };
    records.iter().try_for_each(print)
}

fn print(record: &Record) -> Result<()> {
    println!("{}", serde_json::to_string(record)?);
    Ok(())
}
