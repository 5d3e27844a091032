//! How many steps have ended by when, while a load runs: rates of parts of a run.
//!
//! An attempt that ends writes two transitions, so the sequence of their ids counts
//! steps. Reading it costs nothing however much is stored, and waits for nobody.

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::PgPool;

/// Between two samples.
pub(crate) const WINDOW: Duration = Duration::from_millis(250);
/// Windows that must hold what the first of them promises.
const SUSTAINED_WINDOWS: usize = 4;
const TRANSITIONS_PER_STEP: f64 = 2.0;

/// Samples of one run.
pub(crate) struct Series {
    pool: PgPool,
    since: Instant,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Seconds since the beginning of the series.
    at: f64,
    /// Steps that have ended.
    steps: f64,
}

impl Series {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            since: Instant::now(),
            samples: Vec::new(),
        }
    }

    /// Seconds since the beginning of the series.
    pub(crate) fn now(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Takes one sample after a window.
    pub(crate) async fn sample(&mut self) -> Result<()> {
        tokio::time::sleep(WINDOW).await;
        let transitions: i64 =
            sqlx::query_scalar("SELECT last_value FROM tasker_workflow_step_transitions_id_seq")
                .fetch_one(&self.pool)
                .await?;
        self.samples.push(Sample {
            at: self.now(),
            steps: transitions as f64 / TRANSITIONS_PER_STEP,
        });
        Ok(())
    }

    /// Samples for so many seconds; gives the time from which and that until which.
    pub(crate) async fn watch(&mut self, seconds: u64) -> Result<(f64, f64)> {
        let from = self.now();
        while self.now() < from + seconds as f64 {
            self.sample().await?;
        }
        Ok((from, self.now()))
    }

    /// Steps a second between the first and the last sample of this time; 0 if there are
    /// no two.
    pub(crate) fn rate(&self, (from, until): (f64, f64)) -> f64 {
        let mut within = self
            .samples
            .iter()
            .filter(|sample| (from..=until).contains(&sample.at));
        match (within.next(), within.next_back()) {
            (Some(first), Some(last)) => rate(*first, *last),
            _ => 0.0,
        }
    }

    /// When a rate was reached again after `from`: at the end of the first window that
    /// has it and begins a second that has it.
    pub(crate) fn reached(&self, from: f64, at_least: f64) -> Option<f64> {
        let after: Vec<Sample> = self
            .samples
            .iter()
            .copied()
            .filter(|sample| sample.at >= from)
            .collect();
        after
            .windows(SUSTAINED_WINDOWS + 1)
            .find(|all| {
                rate(all[0], all[1]) >= at_least && rate(all[0], all[SUSTAINED_WINDOWS]) >= at_least
            })
            .map(|all| all[1].at)
    }
}

fn rate(from: Sample, until: Sample) -> f64 {
    (until.steps - from.steps) / (until.at - from.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series that took a sample every quarter of a second, in which so many steps
    /// ended.
    fn series(steps: &[u32]) -> Series {
        let pool = PgPool::connect_lazy("postgres://nobody@localhost/nothing").unwrap();
        let mut series = Series::new(pool);
        let mut total = 0.0;
        for (n, steps) in steps.iter().enumerate() {
            total += f64::from(*steps);
            series.samples.push(Sample {
                at: n as f64 / 4.0,
                steps: total,
            });
        }
        series
    }

    #[tokio::test]
    async fn a_rate_is_that_between_the_samples_of_its_time() {
        let series = series(&[7, 100, 100, 10, 10]);
        assert_eq!(format!("{:.1}", series.rate((0.0, 0.5))), "400.0");
        assert_eq!(format!("{:.1}", series.rate((0.4, 1.0))), "40.0");
        assert_eq!(format!("{:.1}", series.rate((0.9, 1.2))), "0.0");
    }

    #[tokio::test]
    async fn a_rate_is_reached_where_it_lasts() {
        // One good window among bad ones is the backlog, not the rate.
        let series = series(&[0, 0, 400, 0, 0, 0, 0, 96, 100, 100, 100, 100]);
        assert_eq!(series.reached(0.6, 380.0), Some(1.75));
        assert_eq!(series.reached(0.0, 100.0), Some(0.5));
        assert_eq!(series.reached(0.6, 500.0), None);
    }
}
