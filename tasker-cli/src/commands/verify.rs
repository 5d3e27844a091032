//! `tasker verify`: the engine's invariants, checked in the database.

use clap::Args;
use tasker_shared::store::verify::verify;
use tasker_shared::wire::Violation;

use super::database::{connect, failed};
use super::input::Format;
use crate::failure::{Exit, Failure};
use crate::render::{table, Ink};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    format: Format,
}

pub(crate) async fn run(session: &Session, args: &VerifyArgs) -> Result<Exit, Failure> {
    let store = connect(&session.config()?).await?;
    let violations = verify(&store).await.map_err(|error| failed(&error))?;
    if args.format.json {
        session.out.json(&violations)?;
    } else if violations.is_empty() {
        session.out.line("no violations: every invariant holds")?;
    } else {
        let rows: Vec<Vec<(String, Ink)>> = violations.iter().map(row).collect();
        let frame = session.out.frame();
        let head = ["INVARIANT", "TASK", "STEP", "DETAIL"];
        session
            .out
            .text(&table(&head, &rows, frame.width, frame.style))?;
        session
            .out
            .note(&format!("{} violations", violations.len()));
    }
    Ok(if violations.is_empty() {
        Exit::Ok
    } else {
        Exit::CheckFailed
    })
}

fn row(violation: &Violation) -> Vec<(String, Ink)> {
    let id = |id: Option<i64>| (id.map(|id| id.to_string()).unwrap_or_default(), Ink::Plain);
    vec![
        (violation.invariant.clone(), Ink::Bad),
        id(violation.task_id),
        id(violation.step_id),
        (violation.detail.clone(), Ink::Plain),
    ]
}
