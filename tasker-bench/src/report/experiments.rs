//! What the experiments measured: a table each, of the figures they give.

use std::collections::BTreeSet;

use super::loads::probe;
use super::Page;
use crate::figures::{short, whole};
use crate::record::Record;
use crate::records::Records;
use crate::table::{Align, Table};

/// What an experiment is called, and what its figures mean.
struct Section {
    command: &'static str,
    title: &'static str,
    /// The plot that goes with it, and what it shows.
    plot: Option<(&'static str, &'static str)>,
    words: &'static str,
}

const SECTIONS: [Section; 10] = [
    Section {
        command: "readiness",
        title: "Which steps became ready",
        plot: Some((
            "readiness",
            "Time to find the steps that became ready, by the size of the task",
        )),
        words: "\
The question behind every completion. The engine follows the edges of the step that
completed and lowers the gates of its children. The Rails engine asks a function that looks
at all steps of the task; the same rules were also written as one set-based statement, and
the ratio is to the faster of both. Same database, same rows, and the answers were compared
before anything was timed. Medians in milliseconds, on half finished tasks of n steps.",
    },
    Section {
        command: "transition",
        title: "One state transition",
        plot: None,
        words: "\
The routine that ends an attempt, called in one process on one connection: for one step
alone, commit included (`single_ms`, beside it the commit itself), and for each step of a
batch of 256 (`amortised_us`).",
    },
    Section {
        command: "batch",
        title: "Many tasks in one request",
        plot: None,
        words: "\
One `POST /v1/tasks/batch` of 1,000 tasks of 10 steps, until it is answered: then all of
them are durable. Median and longest of several requests, without a worker and with one that
runs the tasks.",
    },
    Section {
        command: "payload",
        title: "Large results",
        plot: None,
        words: "\
Chains of four steps whose results have so many bytes. `step_ms`: the median of a step, from
ready to complete, while nothing else runs. `largest_row_bytes`: the largest row that the
results queue got; large results never ride in messages. `read_ms`: a task with all its
results, read back over the API.",
    },
    Section {
        command: "scale",
        title: "Several orchestrators, several workers",
        plot: None,
        words: "\
Chains of 20 steps, 500 in flight. All processes share the same cores, so more of them
cannot make it faster here; they must not make it slower. `ratio`: the rate to that with one
of each.",
    },
    Section {
        command: "history",
        title: "Stored history",
        plot: Some(("history", "Rate by finished steps in the database")),
        words: "\
The mixed load on a database that holds next to nothing and on one with finished steps of
the same kind, measured twice each, in turn. `ratio`: the rate to that of the first.",
    },
    Section {
        command: "memory",
        title: "Memory",
        plot: None,
        words: "\
Resident memory, as the kernel counts it. Idle: ready, before any task. `bytes_per_task`:
what each active task adds to orchestrator and worker together, at their peak.
`waiting_bytes_per_task`: what it adds to orchestration while it waits for a worker.",
    },
    Section {
        command: "recovery",
        title: "Both services killed under full load",
        plot: None,
        words: "\
Orchestrator and worker are killed and started again at once, in the middle of a load of 500
chains. `recovered_s`: from the start of the new processes until 0.95 of the rate before is
reached, and lasts for a second.",
    },
    Section {
        command: "idle-transaction",
        title: "A transaction left open",
        plot: None,
        words: "\
A transaction of somebody else that has written, holds a snapshot and does nothing, in the
same database, under full load: nothing that died since it began can be cleaned up. Ratios
are to the rate before it; `after_ratio` is that of the second half of the time after it.",
    },
    Section {
        command: "idle",
        title: "Nothing to do",
        plot: None,
        words: "\
Statements that each idle service sends in a minute, counted by the server, when the worker
serves one namespace and when it serves four.",
    },
];

/// Experiments without records are left out; what was promised of them says so in the
/// targets.
pub(super) fn write(page: &mut Page, records: &Records) {
    for section in &SECTIONS {
        let found: Vec<&Record> = records.of(section.command).collect();
        if found.is_empty() {
            continue;
        }
        page.block(&format!("## {}", section.title));
        page.block(section.words);
        if let Some((plot, says)) = section.plot {
            page.plot(plot, says);
        }
        page.block(&table(&found).to_string());
    }
}

/// The figures of an experiment, by their own names.
fn table(records: &[&Record]) -> Table {
    let names: BTreeSet<&String> = records
        .iter()
        .flat_map(|record| record.values.keys())
        .collect();
    let has_rate = records
        .iter()
        .any(|record| record.steps_per_second.is_some());
    let repeated = records.iter().any(|record| record.repeats > 0);
    let mut head = vec![(String::new(), Align::Left)];
    head.extend(has_rate.then(|| ("steps/s".to_owned(), Align::Right)));
    head.extend(names.iter().map(|name| (format!("`{name}`"), Align::Right)));
    head.push(("commit ms".to_owned(), Align::Right));
    head.extend(repeated.then(|| ("repeats".to_owned(), Align::Right)));
    let mut table = Table::new(head);
    for record in records {
        let variant = record.variant.clone().unwrap_or_else(|| record.label());
        let mut row = vec![variant];
        row.extend(has_rate.then(|| record.steps_per_second.map_or_else(String::new, whole)));
        let value = |name: &&String| record.values.get(*name).copied();
        let values = names.iter().map(value);
        row.extend(values.map(|value| value.map_or_else(String::new, figure)));
        row.push(probe(record));
        row.extend(repeated.then(|| record.repeats.to_string()));
        table.row(row);
    }
    table
}

/// Counts are whole; what was measured has its digits.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 {
        whole(value)
    } else {
        short(value)
    }
}
