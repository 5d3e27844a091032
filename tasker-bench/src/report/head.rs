//! The head of the page: what was measured on what, and what the words mean.

use super::{Page, RECORDS};
use crate::figures::short;
use crate::record::Record;
use crate::records::Records;
use crate::table::{Align, Table};

const INTRODUCTION: &str = "\
<!-- Written by make bench; do not edit. -->

# Benchmarks

What Tasker does in a second, what a step costs, and what was promised. One run of
`make bench` measured all of it, one thing after the other, and wrote this page: no figure
comes from elsewhere.";

const METHOD: &str = "\
## How it was measured

Everything ran on that one machine at the same time: PostgreSQL, orchestrator, worker, and
the load.

- **A step** is a handler that does nothing, and all that goes with it: queue, claim, audit
  trail, result, the steps it unblocks. The creation of its task, over the REST API, is in
  the time too.
- **queued**: orchestrator and worker are processes of their own with a queue of results
  between them. **direct**: one process holds both roles (`tasker dev`).
- **Every run** has a database of its own on one fresh private cluster, and services started
  for it, which have run some hundred steps of the same kind before it begins. It ends with a
  check of all invariants: a run that lost a step or broke a rule is an error, not a figure.
- **The anchor** is PGMQ without any engine: its own functions send, read and delete batches
  of 100, on one to four connections, of which the best counts. Two messages are one step,
  because a step of the engine takes two. The rate as a share of the anchor's says what the
  engine adds, on a fast machine or a slow one.
- **A commit** is a transaction that writes one row: the median of 200 right before a
  measurement and of 200 right after it. If one is more than half as much again as the
  other, the machine was not the same for long enough and the measurement is repeated, twice
  at most; the last one counts, whatever it says. One that was unsteady to the end bears a †.
  Not repeated is what takes minutes and compares its figures within them.
- **Latency** is the time from ready (last parent complete, or task created) to complete, for
  every step of the run. p99: 99 of 100 steps took no longer.";

pub(super) fn write(page: &mut Page, records: &Records) {
    page.block(INTRODUCTION);
    page.block(&format!(
        "All figures there are, one JSON object for each measurement: [{RECORDS}]({RECORDS})."
    ));
    if let Some(first) = records.measured().next() {
        page.block("## The machine");
        page.block(&machine(first, records).to_string());
    }
    page.block(METHOD);
}

fn machine(first: &Record, records: &Records) -> Table {
    let setting = &first.setting;
    let unknown = || "unknown".to_owned();
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("processor", setting.cpu.clone().unwrap_or_else(unknown));
    row("cores", setting.cores.to_string());
    row(
        "memory",
        setting
            .memory_gib
            .map_or_else(unknown, |gib| format!("{gib} GiB")),
    );
    row("system", setting.kernel.clone().unwrap_or_else(unknown));
    row("PostgreSQL", setting.postgres_version.clone());
    row(
        "its settings that are not its defaults, and those that decide what a commit is",
        pairs(&setting.postgres_settings),
    );
    row(
        "Tasker",
        format!("{} build, {}", setting.build, services(first)),
    );
    let probes = || {
        records
            .measured()
            .flat_map(|record| [record.commit_probe_ms.before, record.commit_probe_ms.after])
            .filter(|ms| *ms > 0.0)
    };
    row(
        "a commit",
        format!(
            "{} to {} ms",
            short(probes().fold(f64::MAX, f64::min)),
            short(probes().fold(0.0, f64::max))
        ),
    );
    let last = records.measured().last().unwrap_or(first);
    let minutes = (last.setting.at - setting.at).num_seconds() as f64 / 60.0 + last.seconds / 60.0;
    row(
        "measured",
        format!(
            "{}, in {minutes:.0} minutes",
            setting.at.format("%Y-%m-%d from %H:%M UTC")
        ),
    );
    table
}

fn services(record: &Record) -> String {
    let overrides = &record.setting.overrides;
    if overrides.is_empty() {
        "the defaults of production".to_owned()
    } else {
        format!("the defaults of production, but {}", pairs(overrides))
    }
}

fn pairs(pairs: &std::collections::BTreeMap<String, String>) -> String {
    let texts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    texts.join(", ")
}
