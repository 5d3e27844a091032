//! A chart of lines with their names at their ends.

use anyhow::Result;
use plotters::style::RGBColor;

use super::axes::{Axis, Frame, Scale};
use super::{dot, line, write, Area, Pixel, Side};

/// Pixels between two names.
const NAME_HEIGHT: i32 = 16;

/// Points joined by a line.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over `x`.
pub(super) struct Lines<'a> {
    pub(super) title: &'a str,
    pub(super) x_name: &'a str,
    pub(super) y_name: &'a str,
    pub(super) x_scale: fn(&mut dyn Iterator<Item = f64>) -> Scale,
    pub(super) y_scale: fn(&mut dyn Iterator<Item = f64>) -> Scale,
    pub(super) series: Vec<Series>,
}

impl Lines<'_> {
    /// Draws them between these corners, names of axes and lines included.
    pub(super) fn draw(&self, area: &Area<'_>, from: Pixel, until: Pixel) -> Result<()> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let frame = Frame {
            x: Axis {
                scale: (self.x_scale)(&mut points().map(|point| point.0)),
                name: self.x_name,
            },
            y: Axis {
                scale: (self.y_scale)(&mut points().map(|point| point.1)),
                name: self.y_name,
            },
            left: from.0 + 62,
            right: until.0 - 120,
            top: from.1 + 56,
            bottom: until.1 - 56,
        };
        frame.draw(area, self.title)?;
        let mut names = Vec::new();
        for series in &self.series {
            let pixels: Vec<Pixel> = series.points.iter().map(|&point| frame.at(point)).collect();
            for &pixel in &pixels {
                dot(area, pixel, series.colour)?;
            }
            if let Some(&end) = pixels.last() {
                names.push((end, series));
            }
            line(area, pixels, series.colour, 2)?;
        }
        names.sort_by_key(|((_, y), _)| *y);
        let heights = names.iter().map(|((_, y), _)| *y).collect();
        let heights = apart(heights, frame.bottom - NAME_HEIGHT / 2);
        for (((x, _), series), y) in names.iter().zip(heights) {
            let at = (x + 10, y);
            write(area, &series.name, at, Side::Right, series.colour)?;
        }
        Ok(())
    }
}

/// Moves names apart that would cover each other: down, and up again from where they
/// would leave the chart. `heights` come sorted.
fn apart(mut heights: Vec<i32>, bottom: i32) -> Vec<i32> {
    for below in 1..heights.len() {
        heights[below] = heights[below].max(heights[below - 1] + NAME_HEIGHT);
    }
    let mut most = bottom;
    for height in heights.iter_mut().rev() {
        *height = most.min(*height);
        most = *height - NAME_HEIGHT;
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_cover_each_other() {
        assert_eq!(apart(vec![10, 12, 90], 100), [10, 26, 90]);
        assert_eq!(apart(vec![50, 50, 50], 60), [28, 44, 60]);
    }
}
