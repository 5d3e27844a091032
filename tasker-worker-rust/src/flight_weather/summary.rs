//! What is kept of many records: counts, sums and extremes.
//!
//! INVARIANT: `merge` of the summaries of parts equals the summary of the whole,
//! whatever the parts and their order. That is why there are no means in here:
//! they are worked out when the report is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dataset::Hour;

/// More wind than ever blew at an airport of New York: an error of the source.
const IMPLAUSIBLE_WIND_KT: i64 = 150;

#[derive(Debug, Default, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) rows: u64,
    /// By airport and month.
    pub(super) months: BTreeMap<String, BTreeMap<u8, Departures>>,
    pub(super) precipitation: BTreeMap<Precipitation, Departures>,
    /// Hundredths of a degree Fahrenheit.
    pub(super) temperature: Extent,
    pub(super) wind_kt: Extent,
    /// Wind speeds left out because they cannot be true.
    pub(super) wind_implausible: u64,
}

impl Summary {
    pub(super) fn add(&mut self, hour: &Hour) {
        let departures = Departures {
            hours: 1,
            scheduled: hour.scheduled,
            cancelled: hour.cancelled,
            late: hour.late,
            delay_min: hour.delay_min,
        };
        self.rows += 1;
        let months = self.months.entry(hour.origin.to_owned()).or_default();
        months.entry(hour.month).or_default().merge(&departures);
        let class = Precipitation::of(hour.precipitation);
        self.precipitation
            .entry(class)
            .or_default()
            .merge(&departures);
        self.temperature.add(hour.temperature);
        if hour.wind_kt.is_some_and(|wind| wind > IMPLAUSIBLE_WIND_KT) {
            self.wind_implausible += 1;
        } else {
            self.wind_kt.add(hour.wind_kt);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (origin, months) in &other.months {
            let mine = self.months.entry(origin.clone()).or_default();
            for (month, departures) in months {
                mine.entry(*month).or_default().merge(departures);
            }
        }
        for (class, departures) in &other.precipitation {
            self.precipitation
                .entry(*class)
                .or_default()
                .merge(departures);
        }
        self.temperature.merge(&other.temperature);
        self.wind_kt.merge(&other.wind_kt);
        self.wind_implausible += other.wind_implausible;
    }

    /// All departures together.
    pub(super) fn total(&self) -> Departures {
        let mut total = Departures::default();
        for departures in self.precipitation.values() {
            total.merge(departures);
        }
        total
    }
}

/// Flights of some hours.
#[derive(Debug, Default, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Departures {
    pub(super) hours: u64,
    pub(super) scheduled: i64,
    pub(super) cancelled: i64,
    pub(super) late: i64,
    /// Sum over the flights that left.
    pub(super) delay_min: i64,
}

impl Departures {
    fn merge(&mut self, other: &Self) {
        self.hours += other.hours;
        self.scheduled += other.scheduled;
        self.cancelled += other.cancelled;
        self.late += other.late;
        self.delay_min += other.delay_min;
    }

    /// Minutes per flight that left; `None` if none did.
    pub(super) fn mean_delay_min(&self) -> Option<f64> {
        ratio(self.delay_min, self.scheduled - self.cancelled)
    }

    /// Share of the flights that left which left late, in percent.
    pub(super) fn late_percent(&self) -> Option<f64> {
        ratio(100 * self.late, self.scheduled - self.cancelled)
    }

    /// Share of the scheduled flights that never left, in percent.
    pub(super) fn cancelled_percent(&self) -> Option<f64> {
        ratio(100 * self.cancelled, self.scheduled)
    }
}

/// Values that are there: how many, their sum and extremes.
#[derive(Debug, Default, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Extent {
    pub(super) count: u64,
    pub(super) missing: u64,
    pub(super) sum: i64,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

impl Extent {
    fn add(&mut self, value: Option<i64>) {
        let one = match value {
            Some(sum) => Self {
                count: 1,
                missing: 0,
                sum,
                min: value,
                max: value,
            },
            None => Self {
                missing: 1,
                ..Self::default()
            },
        };
        self.merge(&one);
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.missing += other.missing;
        self.sum += other.sum;
        self.min = self.min.into_iter().chain(other.min).min();
        self.max = self.max.max(other.max);
    }

    pub(super) fn mean(&self) -> Option<f64> {
        ratio(self.sum, i64::try_from(self.count).ok()?)
    }
}

fn ratio(sum: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

/// Rain or melted snow of an hour. The bounds are those the American
/// Meteorological Society names for the intensity of rain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Precipitation {
    None,
    Light,
    Moderate,
    Heavy,
}

impl Precipitation {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Light, Self::Moderate, Self::Heavy];

    fn of(hundredths_of_an_inch: i64) -> Self {
        match hundredths_of_an_inch {
            ..=0 => Self::None,
            1..=10 => Self::Light,
            11..=30 => Self::Moderate,
            _ => Self::Heavy,
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light (up to 0.10 in/h)",
            Self::Moderate => "moderate (up to 0.30 in/h)",
            Self::Heavy => "heavy (above 0.30 in/h)",
        }
    }
}
