//! What was promised, what was measured, and whether it is enough.

use super::Page;
use crate::figures::{short, whole};
use crate::records::Records;
use crate::table::{Align, Table};
use crate::targets::{self, Better, Measured, Target};

const WORDS: &str = "\
Set before anything was measured, for two cores, 24 GiB and PostgreSQL 15. The gate must be
reached, the aim should be. Where a row speaks of several runs its value is the worst of
them, and says whose it is.";

pub(super) fn write(page: &mut Page, records: &Records) {
    page.block("## Targets");
    page.block(WORDS);
    let mut table = Table::new([
        ("target", Align::Left),
        ("measured", Align::Right),
        ("gate", Align::Right),
        ("aim", Align::Right),
        ("met?", Align::Left),
    ]);
    for target in targets::all() {
        let measured = (target.measured)(records);
        let measured = measured.as_ref();
        table.row([
            target.what.to_owned(),
            measured.map_or_else(String::new, |measured| value(target, measured)),
            bound(target, target.gate),
            bound(target, target.aim),
            target.verdict(measured).to_owned(),
        ]);
    }
    page.block(&table.to_string());
    failures(page, records);
}

fn value(target: &Target, measured: &Measured) -> String {
    let value = with_unit(short(measured.value), target.unit);
    match &measured.of {
        Some(of) => format!("{value} ({of})"),
        None => value,
    }
}

fn bound(target: &Target, bound: Option<f64>) -> String {
    let Some(bound) = bound else {
        return String::new();
    };
    let sign = match target.better {
        Better::More => '≥',
        Better::Less => '≤',
    };
    // Bounds are round: no digits but their own.
    let figure = if bound >= 1000.0 {
        whole(bound)
    } else {
        bound.to_string()
    };
    with_unit(format!("{sign} {figure}"), target.unit)
}

fn with_unit(text: String, unit: &str) -> String {
    match unit {
        "" => text,
        unit => format!("{text} {unit}"),
    }
}

/// What has no figures, and why.
fn failures(page: &mut Page, records: &Records) {
    let mut failed = records.failed().peekable();
    if failed.peek().is_none() {
        return;
    }
    page.block("**Not measured, because of an error:**");
    let mut table = Table::new([("run", Align::Left), ("error", Align::Left)]);
    for (record, error) in failed {
        table.row([record.command.clone(), error.to_owned()]);
    }
    page.block(&table.to_string());
}
