//! The rate by finished steps that the database already holds.

use anyhow::Result;

use super::bars::{Bar, Bars, Row};
use super::BLUE;
use crate::figures::whole;
use crate::record::Record;
use crate::records::Records;

pub(super) fn svg(records: &Records) -> Result<Option<String>> {
    let row = |record: &Record| {
        Some(Row {
            name: format!(
                "{} steps stored",
                whole(*record.values.get("stored_steps")?)
            ),
            bars: vec![Bar {
                value: record.steps_per_second?,
                colour: BLUE,
                name: "queued".to_owned(),
            }],
        })
    };
    Bars {
        title: "Stored history: steps a second, mixed load",
        rows: records.of("history").filter_map(row).collect(),
        mark: None,
    }
    .svg()
}
