//! `tasker config`: every value with the place that set it, and what is wrong.

use clap::{Args, Subcommand};
use tasker_shared::config;

use super::input::Format;
use crate::failure::{Exit, Failure};
use crate::render::{table, Ink};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every value with its origin; secrets are masked
    Show(ShowArgs),
    /// Check all files, variables and flags; every problem is listed
    Validate(Format),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Only keys that begin like this, such as `engine.`
    prefix: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub(crate) fn run(session: &Session, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Show(args) => show(session, args),
        ConfigCommand::Validate(format) => validate(session, format.json),
    }
}

fn show(session: &Session, args: &ShowArgs) -> Result<Exit, Failure> {
    let loaded = session.load(&[])?;
    let prefix = args.prefix.as_deref().unwrap_or_default();
    let entries: Vec<_> = loaded
        .origins
        .iter()
        .filter(|e| e.key.starts_with(prefix))
        .collect();
    if args.format.json {
        session.out.json(&entries)?;
        return Ok(Exit::Ok);
    }
    if entries.is_empty() {
        return Err(Failure::usage(format!("no key begins with {prefix:?}"))
            .remedy("`tasker config show` lists all keys"));
    }
    let rows: Vec<Vec<(String, Ink)>> = entries
        .iter()
        .map(|e| {
            vec![
                (e.key.to_owned(), Ink::Plain),
                (e.value.clone(), Ink::Strong),
                (e.origin.to_string(), Ink::Dim),
            ]
        })
        .collect();
    let frame = session.out.frame();
    session.out.text(&table(
        &["KEY", "VALUE", "ORIGIN"],
        &rows,
        frame.width,
        frame.style,
    ))?;
    Ok(Exit::Ok)
}

fn validate(session: &Session, json: bool) -> Result<Exit, Failure> {
    let sources = session.sources(&[]);
    let problems = match config::load(&sources) {
        Ok(_) => vec![],
        Err(error) => error.problems,
    };
    let exit = if problems.is_empty() {
        Exit::Ok
    } else {
        Exit::CheckFailed
    };
    if json {
        session.out.json(&problems)?;
        return Ok(exit);
    }
    for problem in &problems {
        session.out.line(&format!("{problem} [{}]", problem.code))?;
    }
    if exit == Exit::Ok {
        let directory = sources.directory.map_or_else(
            || "no directory, built-in defaults only".to_owned(),
            |path| format!("directory {}", path.display()),
        );
        let environment = sources.environment;
        session.out.line(&format!(
            "configuration is valid ({directory}, environment {environment})"
        ))?;
    }
    Ok(exit)
}
