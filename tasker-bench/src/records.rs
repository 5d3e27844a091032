//! The records of one `all`, and how the report finds its figures in them.

use anyhow::{Context as _, Result};

use crate::cli::Mode;
use crate::record::Record;

/// In the order in which they were measured.
pub(crate) struct Records(pub(crate) Vec<Record>);

/// A load: the names of its shapes, and the tasks under way at once.
pub(crate) type Load = (&'static str, usize);

impl Records {
    /// One JSON object a line.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parsed = text.lines().enumerate().map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("line {} is no record", index + 1))
        });
        Ok(Self(parsed.collect::<Result<_>>()?))
    }

    pub(crate) fn to_lines(&self) -> Result<String> {
        let mut text = String::new();
        for record in &self.0 {
            text.push_str(&serde_json::to_string(record)?);
            text.push('\n');
        }
        Ok(text)
    }

    /// Those with figures.
    pub(crate) fn measured(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().filter(|record| record.error.is_none())
    }

    /// Those without.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&Record, &str)> {
        self.0
            .iter()
            .filter_map(|record| Some((record, record.error.as_deref()?)))
    }

    /// Those of one command.
    pub(crate) fn of<'a>(&'a self, command: &'a str) -> impl Iterator<Item = &'a Record> {
        self.measured()
            .filter(move |record| record.command == command)
    }

    /// The throughput runs.
    pub(crate) fn loads(&self) -> impl Iterator<Item = &Record> {
        self.measured().filter(|record| {
            ["linear", "fan", "mixed", "layered"].contains(&record.command.as_str())
        })
    }

    pub(crate) fn load(&self, (shape, in_flight): Load, mode: Mode) -> Option<&Record> {
        self.loads().find(|record| {
            record.shape == shape
                && record.in_flight == Some(in_flight)
                && record.mode == Some(mode)
        })
    }

    pub(crate) fn lone(&self, mode: Mode) -> Option<&Record> {
        self.of("lone").find(|record| record.mode == Some(mode))
    }

    /// Steps a second of PGMQ alone.
    pub(crate) fn anchor_rate(&self) -> Option<f64> {
        self.of("anchor").next()?.steps_per_second
    }

    /// The rate as a share of the anchor's.
    pub(crate) fn anchor_ratio(&self, record: &Record) -> Option<f64> {
        Some(record.steps_per_second? / self.anchor_rate()?)
    }
}
