//! `tasker migrate`: the schema, and the SQL that would make it.

use clap::Args;
use tasker_shared::store::migrate::{migrate, plan};
use tasker_shared::store::migrate_options;

use super::database::{connect, migration_failed};
use crate::failure::{Exit, Failure};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Print the SQL that would run, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(session: &Session, args: &MigrateArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let store = connect(&config).await?;
    let options = migrate_options(&config);
    if args.dry_run {
        let steps = plan(store.pool(), &options)
            .await
            .map_err(|e| migration_failed(&e))?;
        if steps.is_empty() {
            session
                .out
                .line("-- nothing to do: the schema is current")?;
        }
        for step in steps {
            session
                .out
                .line(&format!("-- step {}\n{}", step.name, step.sql))?;
        }
        return Ok(Exit::Ok);
    }
    let report = migrate(store.pool(), &options)
        .await
        .map_err(|e| migration_failed(&e))?;
    if report.applied.is_empty() {
        session.out.line("nothing to do: the schema is current")?;
    }
    for step in &report.applied {
        session.out.line(&format!("applied {step}"))?;
    }
    if report.attached {
        session
            .out
            .line("attached to the tables of the Rails engine, which were not changed")?;
    }
    Ok(Exit::Ok)
}
