//! The distribution of a lone chained step: how many of a hundred had started by when.

use anyhow::Result;

use super::axes::{Axis, Frame, Scale};
use super::{canvas, colour, dot, line, write, Area, Side, MUTED};
use crate::cli::Mode;
use crate::figures::short;
use crate::records::Records;

const SIZE: (u32, u32) = (880, 440);
/// Percentiles that are marked and told.
const MARKED: [usize; 2] = [50, 99];

/// One mode: its 101 quantiles in milliseconds, and what a commit took.
struct Curve {
    mode: Mode,
    quantiles: Vec<f64>,
    commit_ms: f64,
}

pub(super) fn svg(records: &Records) -> Result<Option<String>> {
    let curve = |mode| {
        let record = records.lone(mode)?;
        let quantiles = record.quantiles_ms.get("next_start")?.clone();
        (quantiles.len() == 101).then_some(Curve {
            mode,
            quantiles,
            commit_ms: record.commit_probe_ms.mean(),
        })
    };
    let curves: Vec<Curve> = [Mode::Direct, Mode::Queued]
        .into_iter()
        .filter_map(curve)
        .collect();
    if curves.is_empty() {
        return Ok(None);
    }
    canvas(SIZE, |area| draw(area, &curves)).map(Some)
}

fn draw(area: &Area<'_>, curves: &[Curve]) -> Result<()> {
    let commit_ms = curves.iter().map(|curve| curve.commit_ms).sum::<f64>() / curves.len() as f64;
    let values = curves
        .iter()
        .flat_map(|curve| curve.quantiles.iter().copied());
    let frame = Frame {
        x: Axis {
            scale: Scale::log(values.chain([commit_ms])),
            name: "milliseconds from a handler to the next one",
        },
        y: Axis {
            scale: Scale::Linear { until: 100.0 },
            name: "% of steps started",
        },
        left: 62,
        right: 840,
        top: 72,
        bottom: 384,
    };
    frame.draw(
        area,
        "A lone chained step: how soon the next handler starts",
    )?;
    let x = frame.x(commit_ms);
    line(area, vec![(x, frame.top), (x, frame.bottom)], MUTED, 1)?;
    let text = format!("one commit {} ms", short(commit_ms));
    write(area, &text, (x + 6, frame.top + 12), Side::Right, MUTED)?;
    for curve in curves {
        let points = curve
            .quantiles
            .iter()
            .zip(0..)
            .map(|(&ms, percent)| frame.at((ms, f64::from(percent))));
        line(area, points.collect(), colour(curve.mode), 2)?;
    }
    // Curves end above, so that the corner below is free.
    let mut at = (frame.right - 8, frame.bottom - 16 * curves.len() as i32);
    for curve in curves {
        let mut told = Vec::new();
        for percent in MARKED {
            let ms = curve.quantiles[percent];
            dot(area, frame.at((ms, percent as f64)), colour(curve.mode))?;
            told.push(format!("p{percent} {} ms", short(ms)));
        }
        let text = format!("{}: {}", curve.mode.name(), told.join(", "));
        write(area, &text, at, Side::Left, colour(curve.mode))?;
        at.1 += 16;
    }
    Ok(())
}
