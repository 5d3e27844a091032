//! `tasker`: one program for all that a person does with Tasker Core, from a
//! first look (`tasker demo`) to operating a service.
//!
//! This file starts the runtime, runs one command and turns its end into an exit
//! code. What the commands are is in `cli`, what they do in `commands`, one file
//! per noun; what they show is drawn by `render`.

mod cli;
mod commands;
mod failure;
mod output;
mod render;
mod session;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)),
        Err(error) => Err(Failure::internal(format!(
            "the runtime cannot start: {error}"
        ))),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}
