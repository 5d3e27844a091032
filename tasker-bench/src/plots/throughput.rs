//! Steps a second of every load, queued and direct, and the anchor's.

use anyhow::Result;

use super::bars::{Bar, Bars, Row};
use super::colour;
use crate::figures::whole;
use crate::records::Records;

pub(super) fn svg(records: &Records) -> Result<Option<String>> {
    let mut rows: Vec<Row> = Vec::new();
    for record in records.loads() {
        let figures = (record.mode, record.steps_per_second, record.in_flight);
        let (Some(mode), Some(value), Some(in_flight)) = figures else {
            continue;
        };
        let name = format!("{}, {in_flight} in flight", record.label());
        let bar = Bar {
            value,
            colour: colour(mode),
            name: mode.name().to_owned(),
        };
        match rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.bars.push(bar),
            None => rows.push(Row {
                name,
                bars: vec![bar],
            }),
        }
    }
    let anchor = records.anchor_rate();
    Bars {
        title: "Throughput: steps a second, creation of the tasks included",
        rows,
        mark: anchor.map(|rate| (rate, format!("anchor, PGMQ alone: {}", whole(rate)))),
    }
    .svg()
}
