//! `tasker completions`: a completion script on stdout.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete in
    shell: Shell,
}

pub(crate) fn run(session: &Session, args: &CompletionsArgs) -> Result<Exit, Failure> {
    // Into memory first: the generator panics when its output is cut off.
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "tasker", &mut script);
    session.out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
