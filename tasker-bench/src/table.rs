//! The table at the end of `all`, for people; the JSON lines hold more.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::record::Record;
use crate::stats::Percentiles;

const HEAD: [&str; 10] = [
    "run",
    "mode",
    "steps",
    "steps/s",
    "x anchor",
    "p50 ms",
    "p99 ms",
    "commits/step",
    "WAL/step",
    "us/step pg+own",
];

/// One line for each run.
pub(crate) fn text(records: &[Record]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(records.iter().map(line));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // Names to the left, numbers to the right. Writing to a String cannot fail.
            let _ = if column < 2 {
                write!(text, "{cell:<width$}  ")
            } else {
                write!(text, "{cell:>width$}  ")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn line(record: &Record) -> [String; HEAD.len()] {
    let latency = record
        .latency_ms
        .or(record.lone_ms.and_then(|lone| lone.next_start));
    let ms = |value: fn(Percentiles) -> f64| {
        latency.map_or(String::new(), |all| format!("{:.2}", value(all)))
    };
    [
        record.command.to_owned(),
        record
            .mode
            .map_or(String::new(), |mode| format!("{mode:?}").to_lowercase()),
        record.steps.to_string(),
        record
            .steps_per_second
            .map_or(String::new(), |rate| rate.to_string()),
        record
            .anchor_ratio
            .map_or(String::new(), |ratio| format!("{ratio:.2}")),
        ms(|all| all.p50),
        ms(|all| all.p99),
        format!("{:.3}", record.cost.commits_per_step),
        record.cost.wal_bytes_per_step.to_string(),
        cpu(&record.cost.cpu_us_per_step),
    ]
}

/// The server's CPU time and that of the services, if any; the load itself is left out.
fn cpu(by_process: &BTreeMap<String, f64>) -> String {
    let services = by_process
        .iter()
        .filter(|(name, _)| *name != "postgres" && *name != "bench");
    let own = services.map(|(_, us)| *us).reduce(|all, us| all + us);
    match (by_process.get("postgres"), own) {
        (Some(postgres), Some(own)) => format!("{postgres}+{own}"),
        (Some(postgres), None) => postgres.to_string(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_heads_whatever_is_missing() {
        let run = Record {
            command: "linear",
            steps: 20,
            steps_per_second: Some(2500.0),
            ..Record::default()
        };
        let text = text(&[
            run,
            Record {
                command: "lone",
                ..Record::default()
            },
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let end = lines[0].find("steps/s").unwrap() + "steps/s".len();
        assert_eq!(&lines[1][end - 4..end], "2500");
    }
}
