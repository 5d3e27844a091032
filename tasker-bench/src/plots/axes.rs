//! Scales and the frame of a chart: from values to pixels, with grid, ticks and names.

use anyhow::Result;

use super::{line, title, write, Area, Pixel, Side, GRID, MUTED};
use crate::figures::whole;

/// How the values of one axis are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From zero.
    Linear { until: f64 },
    /// Both ends above zero.
    Log { from: f64, until: f64 },
}

impl Scale {
    /// From zero to a little more than the greatest value.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Self {
        Self::Linear {
            until: values.fold(f64::MIN_POSITIVE, f64::max) * 1.12,
        }
    }

    /// Around all values that are above zero.
    pub(super) fn log(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        Self::Log {
            from: least / 1.25,
            until: most * 1.25,
        }
    }

    /// Where a value lies, 0 at the beginning of the axis and 1 at its end.
    pub(super) fn position(self, value: f64) -> f64 {
        match self {
            Self::Linear { until } => value / until,
            Self::Log { from, until } => {
                let value = value.max(from);
                (value / from).ln() / (until / from).ln()
            }
        }
    }

    /// Round values for the grid: about five on a linear axis; powers of ten on a
    /// logarithmic one, and 2 and 5 between them if it is short.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { until } => {
                let rough = until / 5.0;
                let unit = 10_f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0]
                    .into_iter()
                    .map(|n| n * unit)
                    .find(|step| *step >= rough)
                    .unwrap_or(10.0 * unit);
                (0..=10)
                    .map(|n| f64::from(n) * step)
                    .filter(|tick| *tick <= until)
                    .collect()
            }
            Self::Log { from, until } => {
                let decades = (until / from).log10();
                let within: &[f64] = if decades < 3.0 {
                    &[1.0, 2.0, 5.0]
                } else {
                    &[1.0]
                };
                let (first, last) = (from.log10().floor() as i32, until.log10().ceil() as i32);
                (first..=last)
                    .flat_map(|power| within.iter().map(move |n| n * 10_f64.powi(power)))
                    .filter(|tick| (from..=until).contains(tick))
                    .collect()
            }
        }
    }
}

/// One axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis<'a> {
    pub(super) scale: Scale,
    pub(super) name: &'a str,
}

/// A chart without its content: `x` runs from `left` to `right`, `y` from `bottom` up to
/// `top`, in pixels.
pub(super) struct Frame<'a> {
    pub(super) x: Axis<'a>,
    pub(super) y: Axis<'a>,
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
}

impl Frame<'_> {
    pub(super) fn x(&self, value: f64) -> i32 {
        let width = f64::from(self.right - self.left);
        self.left + (self.x.scale.position(value) * width).round() as i32
    }

    pub(super) fn y(&self, value: f64) -> i32 {
        let height = f64::from(self.bottom - self.top);
        self.bottom - (self.y.scale.position(value) * height).round() as i32
    }

    pub(super) fn at(&self, (x, y): (f64, f64)) -> Pixel {
        (self.x(x), self.y(y))
    }

    /// Title, grid, ticks and names of the axes.
    pub(super) fn draw(&self, area: &Area<'_>, says: &str) -> Result<()> {
        title(area, says, (self.left, self.top - 38))?;
        for tick in self.y.scale.ticks() {
            let y = self.y(tick);
            line(area, vec![(self.left, y), (self.right, y)], GRID, 1)?;
            let at = (self.left - 8, y);
            write(area, &tick_text(tick), at, Side::Left, MUTED)?;
        }
        for tick in self.x.scale.ticks() {
            let x = self.x(tick);
            line(area, vec![(x, self.top), (x, self.bottom)], GRID, 1)?;
            let at = (x, self.bottom + 8);
            write(area, &tick_text(tick), at, Side::Below, MUTED)?;
        }
        let ends = vec![(self.left, self.bottom), (self.right, self.bottom)];
        line(area, ends, MUTED, 1)?;
        let below = (i32::midpoint(self.left, self.right), self.bottom + 28);
        write(area, self.x.name, below, Side::Below, MUTED)?;
        // The name of the other axis stands above it, where it can be read as it is.
        let above = (self.left, self.top - 12);
        write(area, self.y.name, above, Side::Right, MUTED)
    }
}

/// Ticks are round: no digits but those they have.
fn tick_text(tick: f64) -> String {
    if tick >= 1.0 && tick.fract() < 1e-9 {
        whole(tick)
    } else {
        format!("{}", (tick * 1e6).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_on_the_axis() {
        let texts = |scale: Scale| {
            scale
                .ticks()
                .into_iter()
                .map(tick_text)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let linear = Scale::Linear { until: 11_200.0 };
        assert_eq!(texts(linear), "0 5,000 10,000");
        assert_eq!(texts(Scale::Linear { until: 0.31 }), "0 0.1 0.2 0.3");
        let short = Scale::Log {
            from: 0.8,
            until: 6.0,
        };
        assert_eq!(texts(short), "1 2 5");
        let long = Scale::Log {
            from: 0.01,
            until: 2000.0,
        };
        assert_eq!(texts(long), "0.01 0.1 1 10 100 1,000");
    }

    #[test]
    fn values_lie_between_the_ends_of_their_axis() {
        let scale = Scale::log([0.0, 1.0, 100.0].into_iter());
        let positions = [0.0, 10.0, 125.0].map(|value| scale.position(value));
        assert_eq!(format!("{positions:.2?}"), "[0.00, 0.50, 1.00]");
        let scale = Scale::linear([50.0, 100.0].into_iter());
        assert_eq!(format!("{:.2}", scale.position(56.0)), "0.50");
    }
}
