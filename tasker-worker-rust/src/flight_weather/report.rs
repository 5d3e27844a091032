//! The report: one HTML file that needs nothing else, the plot inside.
//!
//! Every text that comes from outside is escaped. The same data and title give
//! the same bytes, so a step that runs twice writes the same file.

use std::fmt::Write;

use tasker_shared::domain::StepError;

use super::plot::{self, grouped};
use super::summary::{Departures, Extent, Precipitation, Summary};
use super::{Inspection, Merged};

const STYLE: &str =
    "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:1rem 0}\
th,td{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:right}\
th:first-child,td:first-child{text-align:left}\
svg{max-width:100%;height:auto}code{word-break:break-all}";

pub(super) fn render(
    title: &str,
    inspection: &Inspection,
    merged: &Merged,
) -> Result<String, StepError> {
    let summary = &merged.summary;
    let svg = plot::svg(title, summary)?;
    let title = escaped(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    html.push_str(&opening(summary));
    let _ = writeln!(html, "<figure>\n{svg}\n</figure>");
    html.push_str(&precipitation_table(summary));
    html.push_str(&airport_table(summary));
    html.push_str(&quality(inspection, merged));
    html.push_str("</body>\n</html>\n");
    Ok(html)
}

/// What the figures say, in two sentences.
fn opening(summary: &Summary) -> String {
    let total = summary.total();
    let delay = |class| {
        summary
            .precipitation
            .get(&class)
            .and_then(Departures::mean_delay_min)
    };
    format!(
        "<p>In the hours with a weather record, {} flights were scheduled, {} left and {} were \
         cancelled. A flight left {} minutes late on average: {} in hours without precipitation, \
         {} in hours with heavy precipitation.</p>\n",
        grouped(total.scheduled),
        grouped(total.scheduled - total.cancelled),
        grouped(total.cancelled),
        decimal(total.mean_delay_min()),
        decimal(delay(Precipitation::None)),
        decimal(delay(Precipitation::Heavy)),
    )
}

fn precipitation_table(summary: &Summary) -> String {
    let rows = Precipitation::ALL.iter().filter_map(|class| {
        Some((
            class.label().to_owned(),
            summary.precipitation.get(class)?.clone(),
        ))
    });
    table("By precipitation", "Precipitation", rows)
}

fn airport_table(summary: &Summary) -> String {
    let rows = summary.months.iter().flat_map(|(origin, months)| {
        months.iter().map(move |(month, departures)| {
            (format!("{origin} 2013-{month:02}"), departures.clone())
        })
    });
    table("By airport and month", "Airport, month", rows)
}

fn table(heading: &str, first: &str, rows: impl Iterator<Item = (String, Departures)>) -> String {
    let mut html = format!(
        "<h2>{heading}</h2>\n<table>\n<tr><th>{first}</th><th>Hours</th><th>Scheduled</th>\
         <th>Cancelled, %</th><th>15 min late or more, %</th><th>Mean delay, min</th></tr>\n"
    );
    for (name, departures) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&name),
            grouped(departures.hours as i64),
            grouped(departures.scheduled),
            decimal(departures.cancelled_percent()),
            decimal(departures.late_percent()),
            decimal(departures.mean_delay_min()),
        );
    }
    html.push_str("</table>\n");
    html
}

/// Where the data come from and what was wrong with them.
fn quality(inspection: &Inspection, merged: &Merged) -> String {
    let Summary {
        temperature,
        wind_kt,
        wind_implausible,
        ..
    } = &merged.summary;
    format!(
        "<h2>Data</h2>\n<p>{} hourly records, read in {} partitions. Source: {}. Licence: {}.<br>\
         SHA-256 of the data: <code>{}</code></p>\n<ul>\n\
         <li>Temperature: {} &deg;F; {} missing.</li>\n\
         <li>Wind: {} kt; {} missing, {} left out as implausible.</li>\n</ul>\n\
         <p>Delays are departure delays of the flights that left; early departures count as negative.</p>\n",
        grouped(inspection.rows as i64),
        merged.partitions,
        escaped(&inspection.source),
        escaped(&inspection.licence),
        escaped(&inspection.sha256),
        extent(temperature, 100.0),
        temperature.missing,
        extent(wind_kt, 1.0),
        wind_kt.missing,
        wind_implausible,
    )
}

fn extent(extent: &Extent, scale: f64) -> String {
    let scaled = |value: Option<f64>| decimal(value.map(|value| value / scale));
    let whole = |value: Option<i64>| scaled(value.map(|value| value as f64));
    format!(
        "{} to {}, mean {}",
        whole(extent.min),
        whole(extent.max),
        scaled(extent.mean())
    )
}

fn decimal(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.1}"))
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
