//! Percentiles, by the nearest rank: each one is a value that was measured.

use serde::{Deserialize, Serialize};

/// Percentiles of a set of values, in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    /// None of no values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let max = values.last().copied()?;
        Some(Self {
            p50: rounded(nearest_rank(&values, 50.0)),
            p95: rounded(nearest_rank(&values, 95.0)),
            p99: rounded(nearest_rank(&values, 99.0)),
            max: rounded(max),
        })
    }
}

/// The least value, that of each further percent, and the greatest: 101 in all, rounded;
/// none of no values.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return values;
    }
    (0..=100)
        .map(|percent| rounded(nearest_rank(&values, f64::from(percent))))
        .collect()
}

/// The smallest value that `percent` of all values do not exceed. `sorted` holds at
/// least one value.
pub(crate) fn nearest_rank(sorted: &[f64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Three decimals: more would pretend to a precision that is not there.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_values_of_the_nearest_rank() {
        let percentiles = Percentiles::of((1..=200).rev().map(f64::from).collect()).unwrap();
        let expected = Percentiles {
            p50: 100.0,
            p95: 190.0,
            p99: 198.0,
            max: 200.0,
        };
        assert_eq!(percentiles, expected);
    }

    #[test]
    fn one_value_is_every_percentile() {
        let expected = Percentiles {
            p50: 7.0,
            p95: 7.0,
            p99: 7.0,
            max: 7.0,
        };
        assert_eq!(Percentiles::of(vec![7.0]), Some(expected));
    }

    #[test]
    fn the_rank_is_rounded_up() {
        let ranks = [
            nearest_rank(&[1.0, 2.0, 3.0], 50.0),
            nearest_rank(&[1.0, 2.0, 3.0, 4.0], 50.0),
            nearest_rank(&[1.0, 2.0, 3.0, 4.0], 51.0),
            nearest_rank(&[1.0, 2.0], 0.0),
        ];
        assert_eq!(format!("{ranks:?}"), "[2.0, 2.0, 3.0, 1.0]");
    }

    #[test]
    fn quantiles_run_from_the_least_value_to_the_greatest() {
        let quantiles = quantiles((1..=1000).rev().map(f64::from).collect());
        assert_eq!(quantiles.len(), 101);
        let picked = [quantiles[0], quantiles[1], quantiles[50], quantiles[100]];
        assert_eq!(format!("{picked:?}"), "[1.0, 10.0, 500.0, 1000.0]");
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Percentiles::of(vec![]), None);
        assert!(quantiles(vec![]).is_empty());
    }
}
