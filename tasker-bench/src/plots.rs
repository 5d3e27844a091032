//! The plots of the report, as SVG: few colours, lines and bars with their names beside
//! them in place of legends. The two colours can be told apart with any colour vision.

mod axes;
mod bars;
mod chart;
mod history;
mod latency;
mod lines;
mod readiness;
mod size;
mod throughput;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::cli::Mode;
use crate::records::Records;

pub(crate) use chart::svg as chart;

/// A canvas, in pixels from the upper left.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A point on it.
type Pixel = (i32, i32);

const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const INK: RGBColor = RGBColor(40, 40, 40);
const MUTED: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(228, 228, 228);
const FONT: &str = "sans-serif";
const TITLE_SIZE: u32 = 17;
const TEXT_SIZE: u32 = 13;

/// A plot of the records, if they hold what it shows.
type Plot = fn(&Records) -> Result<Option<String>>;

/// Every plot, by the name of its file.
pub(crate) const PLOTS: [(&str, Plot); 5] = [
    ("throughput", throughput::svg),
    ("latency", latency::svg),
    ("size", size::svg),
    ("history", history::svg),
    ("readiness", readiness::svg),
];

fn colour(mode: Mode) -> RGBColor {
    match mode {
        Mode::Queued => BLUE,
        Mode::Direct => ORANGE,
    }
}

/// A white canvas of this size, drawn on by `draw`, as text.
fn canvas(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        draw(&root)?;
        root.present()?;
    }
    text.push('\n');
    Ok(text)
}

/// Where a text stands, seen from its point.
#[derive(Debug, Clone, Copy)]
enum Side {
    Left,
    Right,
    Below,
}

fn write(area: &Area<'_>, text: &str, at: Pixel, side: Side, colour: RGBColor) -> Result<()> {
    sized(area, text, at, side, (TEXT_SIZE, colour))
}

fn title(area: &Area<'_>, text: &str, at: Pixel) -> Result<()> {
    sized(area, text, at, Side::Right, (TITLE_SIZE, INK))
}

fn sized(
    area: &Area<'_>,
    text: &str,
    at: Pixel,
    side: Side,
    (height, colour): (u32, RGBColor),
) -> Result<()> {
    let (h, v) = match side {
        Side::Left => (HPos::Right, VPos::Center),
        Side::Right => (HPos::Left, VPos::Center),
        Side::Below => (HPos::Center, VPos::Top),
    };
    let style = (FONT, height)
        .into_text_style(area)
        .color(&colour)
        .pos(Pos::new(h, v));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

fn line(area: &Area<'_>, points: Vec<Pixel>, colour: RGBColor, width: u32) -> Result<()> {
    area.draw(&PathElement::new(points, colour.stroke_width(width)))?;
    Ok(())
}

fn dot(area: &Area<'_>, at: Pixel, colour: RGBColor) -> Result<()> {
    area.draw(&Circle::new(at, 4, colour.filled()))?;
    Ok(())
}
