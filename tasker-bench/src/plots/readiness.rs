//! How long it takes to find the steps that one completion made ready, by the size of
//! the task, here and in the Rails engine.

use anyhow::Result;
use plotters::style::RGBColor;

use super::axes::Scale;
use super::lines::{Lines, Series};
use super::{canvas, BLUE, ORANGE};
use crate::record::Record;
use crate::records::Records;

const SIZE: (u32, u32) = (880, 460);

pub(super) fn svg(records: &Records) -> Result<Option<String>> {
    let shapes = shapes(records);
    let side = |name: &str, colour: RGBColor, value: fn(&Record) -> Option<f64>| {
        let of_shape = |shape: &&str| {
            let points = records
                .of("readiness")
                .filter(|record| shape_of(record) == Some(*shape))
                .filter_map(|record| Some((record.steps as f64, value(record)?)));
            Series {
                name: format!("{name}, {shape}"),
                colour,
                points: points.collect(),
            }
        };
        shapes.iter().map(of_shape).collect::<Vec<_>>()
    };
    let mut series = side("Rails", ORANGE, |record| {
        let ms = |name| record.values.get(name).copied();
        Some(ms("rails_function_ms")?.min(ms("rails_sql_ms")?))
    });
    series.extend(side("Tasker", BLUE, |record| {
        record.values.get("tasker_ms").copied()
    }));
    series.retain(|series| series.points.len() > 1);
    if series.is_empty() {
        return Ok(None);
    }
    let lines = Lines {
        title: "Which steps became ready by one completion",
        x_name: "steps of the task",
        y_name: "milliseconds",
        x_scale: |values| Scale::log(values),
        y_scale: |values| Scale::log(values),
        series,
    };
    canvas(SIZE, |area| {
        lines.draw(area, (0, 0), (SIZE.0 as i32 - 10, SIZE.1 as i32))
    })
    .map(Some)
}

/// The shapes there are, in the order of the records.
fn shapes(records: &Records) -> Vec<&str> {
    let mut shapes = Vec::new();
    for shape in records.of("readiness").filter_map(shape_of) {
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

/// A variant is a shape and a size: `linear n=10`.
fn shape_of(record: &Record) -> Option<&str> {
    record.variant.as_deref()?.split(' ').next()
}
