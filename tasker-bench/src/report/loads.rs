//! Throughput, its cost, and the latency of lone steps.

use super::Page;
use crate::figures::{short, whole};
use crate::record::Record;
use crate::records::Records;
use crate::stats::Percentiles;
use crate::table::{Align, Table};

const THROUGHPUT: &str = "\
Tasks are submitted so that a fixed number is in flight. linear: a chain of steps. fan: one
step, so many side by side, one step. mixed: diamonds, merges of seven steps and trees of
eight in turn. layered: layers of steps with three parents each.";

const COLUMNS: &str = "\
× anchor: the rate as a share of the anchor's. CPU per step: of the whole server, and of
the services (the load itself not counted). commit: the probe before and after. load: how
many processes ran or waited for a core, on average over the minute before; it includes
whatever was measured then. repeats: earlier tries that do not count.";

const LONE: &str = "\
A chain of four steps, one task at a time, nothing else on the machine. The handlers note
the time themselves, so that everything between one handler and the next is in it: the
report, the commits, the wakes, the claim, the inputs.";

const SIZE: &str = "\
Layered tasks of 10, 100, 1,000 and 10,000 steps, in-degree three, as many of them in flight
as it takes for a hundred steps to be ready at any time.";

pub(super) fn write(page: &mut Page, records: &Records) {
    page.block("## Throughput");
    page.block(THROUGHPUT);
    page.plot("throughput", "Steps a second by shape, queued and direct");
    page.block(&summary(records).to_string());
    page.block(COLUMNS);

    page.block("## A lone step");
    page.block(LONE);
    page.plot(
        "latency",
        "Distribution of the time from one handler to the next",
    );
    page.block(&lone(records).to_string());

    page.block("## The size of a task");
    page.block(SIZE);
    page.plot("size", "Rate and CPU time per step by the size of the task");
}

/// Every run in one table.
pub(crate) fn summary(records: &Records) -> Table {
    let mut table = Table::new([
        ("run", Align::Left),
        ("in flight", Align::Right),
        ("mode", Align::Left),
        ("steps", Align::Right),
        ("steps/s", Align::Right),
        ("× anchor", Align::Right),
        ("p50 ms", Align::Right),
        ("p99 ms", Align::Right),
        ("commits/step", Align::Right),
        ("WAL B/step", Align::Right),
        ("CPU µs/step", Align::Right),
        ("commit ms", Align::Right),
        ("load", Align::Right),
        ("repeats", Align::Right),
    ]);
    for record in records.of("anchor").chain(records.loads()) {
        table.row(line(records, record));
    }
    table
}

fn line(records: &Records, record: &Record) -> Vec<String> {
    let or_nothing = |text: Option<String>| text.unwrap_or_default();
    let ms = |value: fn(Percentiles) -> f64| or_nothing(record.latency_ms.map(value).map(short));
    let ratio = records.anchor_ratio(record);
    vec![
        record.label(),
        or_nothing(record.in_flight.map(|tasks| tasks.to_string())),
        or_nothing(record.mode.map(|mode| mode.name().to_owned())),
        whole(record.steps as f64),
        or_nothing(record.steps_per_second.map(whole)),
        or_nothing(ratio.map(|ratio| format!("{ratio:.2}"))),
        ms(|all| all.p50),
        ms(|all| all.p99),
        short(record.cost.commits_per_step),
        whole(record.cost.wal_bytes_per_step),
        cpu(record),
        probe(record),
        or_nothing(record.setting.load_1m.map(|load| format!("{load:.1}"))),
        match record.repeats {
            0 => String::new(),
            repeats => repeats.to_string(),
        },
    ]
}

/// The server's and that of the services, if any.
fn cpu(record: &Record) -> String {
    match (record.cost.postgres_us(), record.cost.own_us()) {
        (Some(postgres), Some(own)) => format!("{postgres} + {own}"),
        (Some(postgres), None) => postgres.to_string(),
        (None, _) => String::new(),
    }
}

/// The commit probe before and after; † if it moved.
pub(super) fn probe(record: &Record) -> String {
    let probe = record.commit_probe_ms;
    let mark = if probe.moved() { " †" } else { "" };
    format!("{:.2} → {:.2}{mark}", probe.before, probe.after)
}

fn lone(records: &Records) -> Table {
    let mut table = Table::new([
        ("", Align::Left),
        ("mode", Align::Left),
        ("p50 ms", Align::Right),
        ("p95 ms", Align::Right),
        ("p99 ms", Align::Right),
        ("longest", Align::Right),
        ("commit ms", Align::Right),
        ("repeats", Align::Right),
    ]);
    for record in records.of("lone") {
        let times = record.lone_ms.map(|lone| {
            [
                ("from a handler to the next", lone.next_start),
                ("from POST to the first handler", lone.post_to_start),
            ]
        });
        for (what, times) in times.into_iter().flatten() {
            let Some(times) = times else { continue };
            let ms = [times.p50, times.p95, times.p99, times.max].map(short);
            let [p50, p95, p99, max] = ms;
            let mode = record.mode.map_or("", |mode| mode.name()).to_owned();
            let repeats = record.repeats.to_string();
            table.row([
                what.to_owned(),
                mode,
                p50,
                p95,
                p99,
                max,
                probe(record),
                repeats,
            ]);
        }
    }
    table
}
