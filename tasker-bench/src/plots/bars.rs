//! A chart of bars that lie, each row with its name on the left.

use anyhow::Result;
use plotters::prelude::*;

use super::axes::Scale;
use super::{canvas, line, title, write, Area, Side, GRID, INK, MUTED};
use crate::figures::whole;

const WIDTH: u32 = 880;
const LEFT: i32 = 200;
const RIGHT: i32 = 800;
const FOOT: i32 = 40;
const BAR: i32 = 18;
/// Room for the title, and for the text of a mark.
const TITLE: i32 = 48;
const MARK: i32 = 26;
/// Between two rows.
const GAP: i32 = 16;

/// One bar.
pub(super) struct Bar {
    pub(super) value: f64,
    pub(super) colour: RGBColor,
    /// Said once, in the first row.
    pub(super) name: String,
}

/// The bars of a row.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
}

/// The chart: a line across all rows marks a value to compare with.
pub(super) struct Bars<'a> {
    pub(super) title: &'a str,
    pub(super) rows: Vec<Row>,
    pub(super) mark: Option<(f64, String)>,
}

impl Bars<'_> {
    /// None of no rows.
    pub(super) fn svg(&self) -> Result<Option<String>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let size = (WIDTH, (self.bottom() + FOOT) as u32);
        canvas(size, |area| {
            title(area, self.title, (20, 24))?;
            self.grid(area)?;
            let mut top = self.top() + GAP / 2;
            for (index, row) in self.rows.iter().enumerate() {
                self.row(area, row, top, index == 0)?;
                top += row.height();
            }
            self.mark(area)
        })
        .map(Some)
    }

    fn top(&self) -> i32 {
        TITLE + self.mark.as_ref().map_or(0, |_| MARK)
    }

    fn bottom(&self) -> i32 {
        self.top() + self.rows.iter().map(Row::height).sum::<i32>()
    }

    fn scale(&self) -> Scale {
        let bars = self.rows.iter().flat_map(|row| &row.bars);
        let mark = self.mark.as_ref().map(|(value, _)| *value);
        Scale::linear(bars.map(|bar| bar.value).chain(mark))
    }

    fn x(&self, value: f64) -> i32 {
        LEFT + (self.scale().position(value) * f64::from(RIGHT - LEFT)).round() as i32
    }

    fn grid(&self, area: &Area<'_>) -> Result<()> {
        for tick in self.scale().ticks() {
            let x = self.x(tick);
            line(area, vec![(x, self.top()), (x, self.bottom())], GRID, 1)?;
            let at = (x, self.bottom() + 8);
            write(area, &whole(tick), at, Side::Below, MUTED)?;
        }
        Ok(())
    }

    fn row(&self, area: &Area<'_>, row: &Row, top: i32, named: bool) -> Result<()> {
        let middle = top + BAR * row.bars.len() as i32 / 2;
        let at = (LEFT - 12, middle);
        write(area, &row.name, at, Side::Left, INK)?;
        for (bar, top) in row.bars.iter().zip((top..).step_by(BAR as usize)) {
            let end = self.x(bar.value);
            let corners = [(LEFT, top + 1), (end, top + BAR - 1)];
            area.draw(&Rectangle::new(corners, bar.colour.filled()))?;
            let value = whole(bar.value);
            let text = if named {
                format!("{value} {}", bar.name)
            } else {
                value
            };
            let at = (end + 6, top + BAR / 2);
            write(area, &text, at, Side::Right, bar.colour)?;
        }
        Ok(())
    }

    fn mark(&self, area: &Area<'_>) -> Result<()> {
        let Some((value, text)) = &self.mark else {
            return Ok(());
        };
        let x = self.x(*value);
        line(area, vec![(x, self.top()), (x, self.bottom())], INK, 2)?;
        write(area, text, (x + 4, self.top() - 10), Side::Left, INK)
    }
}

impl Row {
    fn height(&self) -> i32 {
        BAR * self.bars.len() as i32 + GAP
    }
}
