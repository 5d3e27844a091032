//! A data pipeline over 26,115 hourly records of weather and departures:
//! inspect, summarise six partitions side by side, merge, render a report with
//! a plot, verify the file. Template `analytics/flight_weather_report`.
//!
//! All sums are whole numbers, so merging the partitions gives exactly what one
//! pass over everything would; merge proves it by the row count. Work that
//! keeps a processor busy runs on tokio's blocking threads.

mod dataset;
mod output;
mod plot;
mod report;
mod summary;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{HandlerRegistry, StepContext};

use crate::input;
use summary::Summary;

pub(crate) fn handlers() -> HandlerRegistry {
    HandlerRegistry::new()
        .register_fn("FlightWeather::Inspect", |step| blocking(step, inspect))
        .register_fn("FlightWeather::Summarise", |step| blocking(step, summarise))
        .register_fn("FlightWeather::Merge", |step| async move { merge(&step) })
        .register_fn("FlightWeather::RenderReport", |step| {
            blocking(step, render_report)
        })
        .register_fn("FlightWeather::VerifyReport", |step| {
            blocking(step, verify_report)
        })
}

type Work = fn(&StepContext) -> Result<Value, StepError>;

/// Runs `work` where it may take its time; a panic stays a panic.
async fn blocking(step: StepContext, work: Work) -> Result<Value, StepError> {
    match tokio::task::spawn_blocking(move || work(&step)).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StepError::retryable(
            "the worker shut down before the work began",
        )),
    }
}

/// Results of `inspect_data`.
#[derive(Debug, Deserialize, Serialize)]
struct Inspection {
    source: String,
    licence: String,
    columns: Vec<String>,
    rows: u64,
    bytes: u64,
    sha256: String,
}

fn inspect(_: &StepContext) -> Result<Value, StepError> {
    let mut rows = 0;
    for hour in dataset::hours() {
        hour?;
        rows += 1;
    }
    input::answer(&Inspection {
        source: dataset::SOURCE.into(),
        licence: dataset::LICENCE.into(),
        columns: dataset::COLUMNS.map(String::from).to_vec(),
        rows,
        bytes: dataset::CSV.len() as u64,
        sha256: output::sha256_hex(dataset::CSV.as_bytes()),
    })
}

/// The share of the data one step works on: one airport, a range of months.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Partition {
    origin: String,
    first_month: u8,
    last_month: u8,
}

/// Results of a partition.
#[derive(Debug, Deserialize, Serialize)]
struct Part {
    partition: Partition,
    /// Of the data this worker has: they must be those that were inspected.
    sha256: String,
    summary: Summary,
}

fn summarise(step: &StepContext) -> Result<Value, StepError> {
    let partition: Partition = input::config(step)?;
    let inspection: Inspection = input::parent(step, "inspect_data")?;
    let sha256 = output::sha256_hex(dataset::CSV.as_bytes());
    if sha256 != inspection.sha256 {
        let message = "this worker carries other data than the one that inspected them";
        return Err(StepError::permanent(message).with_code("DATA_DIFFER"));
    }
    let months = partition.first_month..=partition.last_month;
    let mut summary = Summary::default();
    for hour in dataset::hours() {
        let hour = hour?;
        if hour.origin == partition.origin && months.contains(&hour.month) {
            summary.add(&hour);
        }
    }
    step.progress(json!({ "rows": summary.rows }));
    input::answer(&Part {
        partition,
        sha256,
        summary,
    })
}

/// Results of `merge_partitions`.
#[derive(Debug, Deserialize, Serialize)]
struct Merged {
    partitions: usize,
    summary: Summary,
}

fn merge(step: &StepContext) -> Result<Value, StepError> {
    let inspection: Inspection = input::parent(step, "inspect_data")?;
    let mut merged = Merged {
        partitions: 0,
        summary: Summary::default(),
    };
    for name in step.results().keys().filter(|name| *name != "inspect_data") {
        let part: Part = input::parent(step, name)?;
        merged.summary.merge(&part.summary);
        merged.partitions += 1;
    }
    // Partitions that overlap or leave a gap are a fault of the template.
    if merged.summary.rows != inspection.rows {
        let rows = merged.summary.rows;
        let message = format!(
            "the partitions have {rows} rows, the data {}",
            inspection.rows
        );
        return Err(StepError::permanent(message).with_code("PARTITIONS_DO_NOT_ADD_UP"));
    }
    input::answer(&merged)
}

/// The task's context.
#[derive(Debug, Deserialize)]
struct Request {
    output_dir: String,
    #[serde(default = "default_title")]
    title: String,
}

fn default_title() -> String {
    "Weather and departure delays in New York, 2013".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputConfig {
    /// Reports stay below this directory, if it is given.
    output_root: Option<String>,
}

/// Results of `render_report` and of `verify_report`.
#[derive(Debug, Deserialize, Serialize)]
struct Report {
    path: String,
    bytes: u64,
    sha256: String,
    rows: u64,
}

fn file_name(step: &StepContext) -> String {
    format!("flight_weather_report_{}.html", step.task_id())
}

fn render_report(step: &StepContext) -> Result<Value, StepError> {
    let request: Request = input::context(step)?;
    let config: OutputConfig = input::config(step)?;
    let inspection: Inspection = input::parent(step, "inspect_data")?;
    let merged: Merged = input::parent(step, "merge_partitions")?;
    let directory = output::directory(&request.output_dir, config.output_root.as_deref())?;
    let html = report::render(&request.title, &inspection, &merged)?;
    let path = output::write_atomically(&directory, &file_name(step), html.as_bytes())?;
    input::answer(&Report {
        path: path.to_string_lossy().into_owned(),
        bytes: html.len() as u64,
        sha256: output::sha256_hex(html.as_bytes()),
        rows: inspection.rows,
    })
}

fn verify_report(step: &StepContext) -> Result<Value, StepError> {
    let request: Request = input::context(step)?;
    let config: OutputConfig = input::config(step)?;
    let report: Report = input::parent(step, "render_report")?;
    let directory = output::directory(&request.output_dir, config.output_root.as_deref())?;
    let path = directory.join(file_name(step));
    let content = std::fs::read(&path).map_err(|error| output::failure("read", &path, &error))?;
    let sha256 = output::sha256_hex(&content);
    if sha256 != report.sha256 {
        let message = format!("{} is not the report that was written", path.display());
        return Err(StepError::permanent(message).with_code("REPORT_DIFFERS"));
    }
    let path = path.to_string_lossy().into_owned();
    input::answer(&Report {
        path,
        bytes: content.len() as u64,
        sha256,
        rows: report.rows,
    })
}

#[cfg(test)]
mod tests;
