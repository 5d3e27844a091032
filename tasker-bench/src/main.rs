//! `tasker-bench`: what the engine does in a second, and what a step costs.
//!
//! Each run has a database of its own on one private cluster, the real services as
//! processes of their own, and load over the REST API. It prints one line of JSON on
//! standard output; progress and tables go to standard error. Every run ends with the
//! engine's invariants checked: a fast engine that loses a step is an error here.
//!
//! Timings are reported, never judged.

mod anchor;
mod cli;
mod drive;
mod latency;
mod measure;
mod proc;
mod profile;
mod record;
mod run;
mod server;
mod services;
mod shape;
mod stage;
mod stats;
mod table;
mod workload;

use std::process::ExitCode;

use anyhow::{bail, Result};
use clap::Parser as _;
use tokio::signal::unix::{signal, SignalKind};

use cli::{Cli, Command, FanArgs, LayeredArgs, LinearArgs, LoneArgs, MixedArgs, Mode};
use record::Record;
use stage::Stage;
use workload::Workload;

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
    let mode = cli.globals.mode;
    let one = mode.unwrap_or_default();
    let mut stage = Stage::new(cli.globals)?;
    match cli.command {
        Command::Lone(args) => print(&run::lone(&mut stage, &args, one).await?),
        Command::Linear(args) => print(&run::load(&mut stage, &args.into(), one).await?),
        Command::Fan(args) => print(&run::load(&mut stage, &args.into(), one).await?),
        Command::Mixed(args) => print(&run::load(&mut stage, &args.into(), one).await?),
        Command::Layered(args) => print(&run::load(&mut stage, &args.into(), one).await?),
        Command::Anchor(args) => print(&anchor::run(&mut stage, &args).await?),
        Command::All => all(&mut stage, mode).await,
    }
}

/// Everything once, the anchor first: the other rates are given as shares of it.
async fn all(stage: &mut Stage, mode: Option<Mode>) -> Result<()> {
    let anchor = anchor::run(stage, &cli::AnchorArgs::default()).await?;
    let anchor_rate = anchor.steps_per_second;
    let mut records = vec![anchor];
    print(&records[0])?;
    let modes = mode.map_or_else(|| vec![Mode::Queued, Mode::Direct], |mode| vec![mode]);
    for mode in modes {
        let workloads: [Workload; 4] = [
            LinearArgs::default().into(),
            FanArgs::default().into(),
            MixedArgs::default().into(),
            LayeredArgs::default().into(),
        ];
        for workload in &workloads {
            let mut record = run::load(stage, workload, mode).await?;
            record.anchor_ratio = anchor_rate
                .zip(record.steps_per_second)
                .map(|(anchor, rate)| stats::rounded(rate / anchor));
            print(&record)?;
            records.push(record);
        }
        let record = run::lone(stage, &LoneArgs::default(), mode).await?;
        print(&record)?;
        records.push(record);
    }
    eprint!("\n{}", table::text(&records));
    Ok(())
}

fn print(record: &Record) -> Result<()> {
    println!("{}", serde_json::to_string(record)?);
    Ok(())
}
