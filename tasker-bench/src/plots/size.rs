//! What a step costs in tasks of 10 to 10,000 steps, a hundred steps ready in each run.

use anyhow::Result;

use super::axes::Scale;
use super::lines::{Lines, Series};
use super::{canvas, colour};
use crate::cli::Mode;
use crate::record::Record;
use crate::records::Records;

const SIZE: (u32, u32) = (880, 380);

pub(super) fn svg(records: &Records) -> Result<Option<String>> {
    let chart = |title, y_name, value: fn(&Record) -> Option<f64>| Lines {
        title,
        x_name: "steps of a task",
        y_name,
        x_scale: |values| Scale::log(values),
        y_scale: |values| Scale::linear(values),
        series: [Mode::Queued, Mode::Direct]
            .into_iter()
            .map(|mode| series(records, mode, value))
            .filter(|series| series.points.len() > 1)
            .collect(),
    };
    let rate = chart("Rate by size of the task", "steps/s", |record| {
        record.steps_per_second
    });
    let cost = chart("CPU time by size of the task", "µs per step", |record| {
        Some(record.cost.postgres_us()? + record.cost.own_us()?)
    });
    if rate.series.is_empty() || cost.series.is_empty() {
        return Ok(None);
    }
    canvas(SIZE, |area| {
        rate.draw(area, (0, 0), (470, 380))?;
        cost.draw(area, (440, 0), (910, 380))
    })
    .map(Some)
}

fn series(records: &Records, mode: Mode, value: fn(&Record) -> Option<f64>) -> Series {
    let points = records
        .of("layered")
        .filter(|record| record.mode == Some(mode))
        .filter_map(|record| Some(((record.steps / record.tasks) as f64, value(record)?)));
    Series {
        name: mode.name().to_owned(),
        colour: colour(mode),
        points: points.collect(),
    }
}
