//! A chart that somebody else describes, in JSON: for figures that are measured in
//! another language.

use anyhow::{bail, Context as _, Result};
use plotters::style::RGBColor;
use serde::Deserialize;

use super::axes::Scale;
use super::bars::{Bar, Bars, Row};
use super::lines::{Lines, Series};
use super::{canvas, BLUE, MUTED, ORANGE};

/// Told apart in this order.
const COLOURS: [RGBColor; 3] = [BLUE, ORANGE, MUTED];
const LINES_SIZE: (u32, u32) = (880, 320);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
enum Chart {
    Bars {
        title: String,
        /// What the bars of each row are.
        names: Vec<String>,
        rows: Vec<BarsRow>,
    },
    Lines {
        title: String,
        x: String,
        y: String,
        series: Vec<LinesSeries>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BarsRow {
    name: String,
    values: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinesSeries {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The chart as SVG.
///
/// # Errors
/// If the text describes none, or one of nothing.
pub(crate) fn svg(description: &str) -> Result<String> {
    let chart = serde_json::from_str(description).context("this describes no chart")?;
    match chart {
        Chart::Bars { title, names, rows } => bars(&title, &names, rows),
        Chart::Lines {
            title,
            x,
            y,
            series,
        } => lines(&title, (&x, &y), series),
    }
}

fn bars(title: &str, names: &[String], rows: Vec<BarsRow>) -> Result<String> {
    let rows = rows.into_iter().map(|row| Row {
        name: row.name,
        bars: row
            .values
            .into_iter()
            .zip(names)
            .zip(COLOURS)
            .map(|((value, name), colour)| Bar {
                value,
                colour,
                name: name.clone(),
            })
            .collect(),
    });
    let chart = Bars {
        title,
        rows: rows.collect(),
        mark: None,
    };
    chart.svg()?.context("a chart of bars needs rows")
}

fn lines(title: &str, (x_name, y_name): (&str, &str), series: Vec<LinesSeries>) -> Result<String> {
    if series.iter().all(|series| series.points.len() < 2) {
        bail!("a chart of lines needs a series of two points at least");
    }
    let series = series.into_iter().zip(COLOURS);
    let chart = Lines {
        title,
        x_name,
        y_name,
        x_scale: |values| Scale::linear(values),
        y_scale: |values| Scale::linear(values),
        series: series
            .map(|(series, colour)| Series {
                name: series.name,
                colour,
                points: series.points,
            })
            .collect(),
    };
    let (width, height) = LINES_SIZE;
    canvas(LINES_SIZE, |area| {
        chart.draw(area, (0, 0), (width as i32, height as i32))
    })
}

#[cfg(test)]
mod tests {
    use super::svg;

    #[test]
    fn what_is_described_is_drawn() {
        let bars = r#"{"kind": "bars", "title": "Rates", "names": ["measured", "gate"],
                       "rows": [{"name": "small", "values": [137600, 50000]}]}"#;
        let text = svg(bars).unwrap();
        for words in ["Rates", "small", "137,600 measured", "50,000 gate"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        let lines = r#"{"kind": "lines", "title": "Memory", "x": "round", "y": "MB",
                        "series": [{"name": "RSS", "points": [[1, 90], [2, 91]]}]}"#;
        let text = svg(lines).unwrap();
        for words in ["Memory", "round", "RSS", "<polyline"] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }

    #[test]
    fn what_is_no_chart_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"kind": "pie", "title": "x"}"#,
            r#"{"kind": "bars", "title": "x", "names": [], "rows": []}"#,
            r#"{"kind": "lines", "title": "x", "x": "", "y": "", "series": []}"#,
        ] {
            assert!(svg(text).is_err(), "{text}");
        }
    }
}
