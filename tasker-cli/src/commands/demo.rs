//! `tasker demo`: a private database, both services as processes of their own, two
//! real workflows, their results, and a check of what they left in the database.
//!
//! It leaves nothing behind but the report it made: whatever happens, Ctrl-C
//! included, the services are drained and the database is removed. Every wait has a
//! deadline.

mod shows;
mod stage;

use std::time::Instant;

use clap::Args;
use tasker_client::Client;
use tasker_shared::config;
use tasker_shared::store::migrate::migrate;
use tasker_shared::store::verify::verify;
use tasker_shared::store::{migrate_options, Store};

use super::database::{connect, failed, migration_failed};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::render::Ink;
use crate::session::Session;
use crate::signals;
use stage::Stage;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}

pub(crate) async fn run(session: &Session, _: &DemoArgs) -> Result<Exit, Failure> {
    let shutdown = signals::shutdown()?;
    let mut stage = Stage::new()?;
    let began = Instant::now();
    let result = tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(Failure::new(Exit::CheckFailed, "interrupted")),
        result = play(session, &mut stage) => result,
    };
    let struck = stage.strike().await;
    // What went wrong first is what counts.
    result.and(struck)?;
    let seconds = began.elapsed().as_secs_f64();
    session.out.line(&format!(
        "\nDone in {seconds:.1} s; services and database are gone."
    ))?;
    where_next(&session.out)?;
    Ok(Exit::Ok)
}

async fn play(session: &Session, stage: &mut Stage) -> Result<(), Failure> {
    let out = &session.out;
    title(out, "A private PostgreSQL cluster and the two services")?;
    let place = stage.start_cluster().await?;
    said(out, "PostgreSQL", &place)?;
    let store = database(out, stage).await?;
    let orchestrator = stage.start_orchestrator().await?;
    said(out, "orchestrator", &orchestrator)?;
    said(out, "worker", &stage.start_worker().await?)?;

    let client = Client::new(&orchestrator)?;
    for show in [shows::order(), shows::pipeline()?] {
        title(out, show.title)?;
        show.run(&client, out).await?;
    }

    title(out, "What they left in the database")?;
    let violations = verify(&store).await.map_err(|error| failed(&error))?;
    store.pool().close().await;
    if violations.is_empty() {
        said(out, "tasker verify", "no violations: every invariant holds")?;
        return Ok(());
    }
    for violation in &violations {
        said(out, &violation.invariant, &violation.detail)?;
    }
    Err(Failure::new(
        Exit::CheckFailed,
        format!("{} violations of the engine's invariants", violations.len()),
    ))
}

/// Migrates; the services find everything done.
async fn database(out: &Output, stage: &Stage) -> Result<Store, Failure> {
    let config = config::load(&stage.sources())?.config;
    let store = connect(&config).await?;
    let report = migrate(store.pool(), &migrate_options(&config))
        .await
        .map_err(|e| migration_failed(&e))?;
    said(out, "migrations", &report.applied.join(", "))?;
    Ok(store)
}

fn title(out: &Output, text: &str) -> Result<(), Failure> {
    out.line(&format!("\n{}\n", out.style.paint(Ink::Strong, text)))
}

/// `  name  what`, in columns.
fn said(out: &Output, name: &str, what: &str) -> Result<(), Failure> {
    let name = out.style.paint(Ink::Dim, &format!("{name:<15}"));
    out.line(&format!("  {name}{what}"))
}

fn where_next(out: &Output) -> Result<(), Failure> {
    // As it was called, so that the lines can be copied.
    let me = std::env::args()
        .next()
        .unwrap_or_else(|| "tasker".to_owned());
    title(out, "Where to look next")?;
    let lines = [
        (
            format!("{me} dev"),
            "everything in one process, with a database that stays",
        ),
        (
            "http://127.0.0.1:8080/docs".to_owned(),
            "the API, while `tasker dev` runs",
        ),
        (format!("{me} task submit --help"), "tasks of your own"),
        (
            "config/tasks/".to_owned(),
            "the templates of these workflows",
        ),
        (
            "README.md, docs/".to_owned(),
            "a first own workflow; operations",
        ),
    ];
    let width = lines
        .iter()
        .map(|line| line.0.chars().count())
        .max()
        .unwrap_or(0);
    lines.iter().try_for_each(|(what, why)| {
        out.line(&format!(
            "  {what:<width$}  {}",
            out.style.paint(Ink::Dim, why)
        ))
    })
}
