//! The plot of the report: two charts in one SVG.
//!
//! Above, the mean departure delay by month and airport; below, by the
//! precipitation in the hour of departure. The colours can be told apart with
//! any kind of colour vision, and each airport has a mark of its own as well.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use tasker_shared::domain::StepError;

use super::summary::{Departures, Precipitation, Summary};

const SIZE: (u32, u32) = (960, 860);
/// Height of the title and of the upper chart.
const TITLE_HEIGHT: u32 = 50;
const UPPER_HEIGHT: u32 = 420;
const COLOURS: [RGBColor; 3] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
];
const BAR: RGBColor = RGBColor(86, 140, 190);
const GRID: RGBColor = RGBColor(225, 225, 225);
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// The charts as one `<svg>` element.
pub(super) fn svg(title: &str, summary: &Summary) -> Result<String, StepError> {
    let mut text = String::new();
    draw(&mut text, title, summary).map_err(|error| {
        StepError::permanent(format!("the plot cannot be drawn: {error}")).with_code("PLOT_FAILED")
    })?;
    Ok(text)
}

fn draw<'a>(text: &'a mut String, title: &str, summary: &Summary) -> Drawn<'a> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, charts) = root.split_vertically(TITLE_HEIGHT);
    let style = ("sans-serif", 24).into_text_style(&head).color(&BLACK);
    centred(&head, title, &style)?;
    let (upper, lower) = charts.split_vertically(UPPER_HEIGHT);
    by_month(&upper, summary)?;
    by_precipitation(&lower, summary)?;
    root.present()
}

/// One line of text in the middle of an area.
fn centred<'a>(area: &Area<'a>, text: &str, style: &TextStyle<'_>) -> Drawn<'a> {
    let style = style.pos(Pos::new(HPos::Center, VPos::Center));
    let (width, height) = area.dim_in_pixel();
    area.draw(&Text::new(
        text.to_owned(),
        (width as i32 / 2, height as i32 / 2),
        style,
    ))
}

/// Room above the highest value, and never an empty axis.
fn top_of(means: impl Iterator<Item = f64>, room: f64) -> f64 {
    means.fold(1.0, f64::max) * room
}

fn by_month<'a>(area: &Area<'a>, summary: &Summary) -> Drawn<'a> {
    let means = summary.months.values().flat_map(|months| months.values());
    let top = top_of(means.filter_map(Departures::mean_delay_min), 1.15);
    let mut chart = ChartBuilder::on(area)
        .caption("Mean departure delay by month", ("sans-serif", 18))
        .margin(12)
        .margin_right(30)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(1_i32..12_i32, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .x_labels(12)
        .x_label_formatter(&|month| month_name(*month))
        .y_label_formatter(&|minutes| format!("{minutes:.0}"))
        .x_desc("Month of 2013")
        .y_desc("Minutes per flight")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    for (index, (origin, months)) in summary.months.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points: Vec<(i32, f64)> = months
            .iter()
            .filter_map(|(month, departures)| {
                Some((i32::from(*month), departures.mean_delay_min()?))
            })
            .collect();
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(airport(origin))
            .legend(move |(x, y)| {
                EmptyElement::at((x, y))
                    + PathElement::new([(0, 0), (24, 0)], colour.stroke_width(2))
                    + mark(index, (12, 0), colour)
            });
        let marks = points
            .into_iter()
            .map(|at| EmptyElement::at(at) + mark(index, (0, 0), colour));
        chart.draw_series(marks)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(14)
        .legend_area_size(32)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .draw()
}

/// A mark of its own for each airport: diamond, triangle, square.
fn mark(index: usize, (x, y): (i32, i32), colour: RGBColor) -> Polygon<(i32, i32)> {
    let corners = match index % 3 {
        0 => vec![(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)],
        1 => vec![(x, y - 6), (x + 6, y + 5), (x - 6, y + 5)],
        _ => vec![
            (x - 4, y - 4),
            (x + 4, y - 4),
            (x + 4, y + 4),
            (x - 4, y + 4),
        ],
    };
    Polygon::new(corners, colour.filled())
}

fn month_name(month: i32) -> String {
    let index = usize::try_from(month - 1).unwrap_or_default();
    MONTHS.get(index).copied().unwrap_or_default().to_owned()
}

fn airport(origin: &str) -> String {
    let name = match origin {
        "EWR" => "Newark (EWR)",
        "JFK" => "Kennedy (JFK)",
        "LGA" => "LaGuardia (LGA)",
        other => other,
    };
    name.to_owned()
}

fn by_precipitation<'a>(area: &Area<'a>, summary: &Summary) -> Drawn<'a> {
    let classes: Vec<(i32, f64, i64)> = (0..)
        .zip(Precipitation::ALL)
        .filter_map(|(index, class)| {
            let departures = summary.precipitation.get(&class)?;
            let left = departures.scheduled - departures.cancelled;
            Some((index, departures.mean_delay_min()?, left))
        })
        .collect();
    let top = top_of(classes.iter().map(|(_, mean, _)| *mean), 1.2);
    let mut chart = ChartBuilder::on(area)
        .caption(
            "Mean departure delay by precipitation in that hour",
            ("sans-serif", 18),
        )
        .margin(12)
        .margin_right(30)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d((0_i32..3_i32).into_segmented(), 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .x_labels(4)
        .x_label_formatter(&|segment| class_name(segment))
        .y_label_formatter(&|minutes| format!("{minutes:.0}"))
        .x_desc("Precipitation (rain or melted snow)")
        .y_desc("Minutes per flight")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .draw()?;
    chart.draw_series(classes.iter().map(|&(index, mean, _)| {
        let corners = [
            (SegmentValue::Exact(index), 0.0),
            (SegmentValue::Exact(index + 1), mean),
        ];
        let mut bar = Rectangle::new(corners, BAR.filled());
        bar.set_margin(0, 0, 50, 50);
        bar
    }))?;
    let above = ("sans-serif", 14)
        .into_text_style(area)
        .pos(Pos::new(HPos::Center, VPos::Bottom));
    chart.draw_series(classes.iter().map(|&(index, mean, left)| {
        let text = format!("{mean:.1} min, {} flights", grouped(left));
        EmptyElement::at((SegmentValue::CenterOf(index), mean))
            + Text::new(text, (0, -5), above.clone())
    }))?;
    Ok(())
}

fn class_name(segment: &SegmentValue<i32>) -> String {
    let (SegmentValue::Exact(index) | SegmentValue::CenterOf(index)) = segment else {
        return String::new();
    };
    let class = usize::try_from(*index)
        .ok()
        .and_then(|index| Precipitation::ALL.get(index));
    class.map_or_else(String::new, |class| class.label().to_owned())
}

/// 26115 as "26,115".
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{grouped, svg};
    use crate::flight_weather::summary::Summary;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1_000, -26_115].map(grouped),
            ["0", "999", "1,000", "-26,115"]
        );
    }

    #[test]
    fn a_plot_of_nothing_is_still_a_plot_and_its_title_is_escaped() {
        let svg = svg("<b> & co", &Summary::default()).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("&lt;b&gt; &amp; co"), "{svg}");
    }
}
