//! The command `all`: every measurement once, one after the other, on one cluster.
//!
//! Figures are compared with each other, so they must come from one and the same
//! machine: a measurement between whose commit probes it changed is made again. One that
//! fails does not take the others with it.

use anyhow::{bail, Result};

use crate::cells::{self, Cell};
use crate::cli::{AllArgs, Mode};
use crate::record::Record;
use crate::records::Records;
use crate::stage::Stage;
use crate::{print, report};

/// How often a measurement is made again.
const REPEATS_MAX: usize = 2;

pub(crate) async fn run(stage: &mut Stage, args: &AllArgs) -> Result<()> {
    let modes = match stage.globals.mode {
        Some(mode) => vec![mode],
        None => vec![Mode::Queued, Mode::Direct],
    };
    let mut records = Vec::new();
    for cell in cells::all(&modes)
        .iter()
        .filter(|cell| args.chooses(&cell.name()))
    {
        let of_cell = steady(stage, cell).await;
        of_cell.iter().try_for_each(print)?;
        records.extend(of_cell);
    }
    let records = Records(records);
    eprint!("\n{}", report::summary(&records));
    if let Some(documents) = &args.write {
        report::write(documents, &records)?;
    }
    match records.failed().count() {
        0 => Ok(()),
        failed => bail!("{failed} measurements failed"),
    }
}

/// The records of a cell, from its last try. A failure is a record too.
async fn steady(stage: &mut Stage, cell: &Cell) -> Vec<Record> {
    let mut repeats = 0;
    loop {
        let tried = cell.run(stage).await;
        if let Err(error) = stage.clear() {
            eprintln!("{}: its databases stay: {error:#}", cell.name());
        }
        match tried {
            Ok(records) if repeats < REPEATS_MAX && cell.may_repeat() && moved(&records) => {
                eprintln!("{}: the commit probe moved, once more", cell.name());
                repeats += 1;
            }
            Ok(mut records) => {
                for record in &mut records {
                    record.repeats = repeats;
                }
                return records;
            }
            Err(error) => {
                eprintln!("{}: {error:#}", cell.name());
                return vec![Record {
                    command: cell.name(),
                    error: Some(last_cause(&error)),
                    repeats,
                    ..Record::default()
                }];
            }
        }
    }
}

fn moved(records: &[Record]) -> bool {
    records.iter().any(|record| record.commit_probe_ms.moved())
}

/// What happened, without the logs of the services around it.
fn last_cause(error: &anyhow::Error) -> String {
    let text = error.root_cause().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failure_is_told_without_the_logs_around_it() {
        let error = anyhow!("no task has ended\nfor a while").context("--- worker\nits last words");
        assert_eq!(last_cause(&error), "no task has ended");
    }
}
