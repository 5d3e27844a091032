//! The metrics recorder of the process and its Prometheus text.
//!
//! One recorder per process, whoever asks first: a process that holds both roles
//! serves the same numbers on both ports.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::{self, ADVANCE_BATCH_STEPS};

/// Upper bounds in seconds: from half a millisecond, the best a lone step can do,
/// to a minute.
const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Upper bounds in steps per batch.
const STEPS: [f64; 10] = [
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0,
];

/// Histograms keep raw samples until they are folded into buckets. A scrape does
/// that too, but nobody may be scraping.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders what was recorded.
#[derive(Clone)]
pub struct MetricsHandle {
    prometheus: PrometheusHandle,
}

impl MetricsHandle {
    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.prometheus.render()
    }
}

/// Installs the recorder of the process, or returns the one installed before.
pub fn install_recorder() -> &'static MetricsHandle {
    static HANDLE: OnceLock<MetricsHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = builder().build_recorder();
        let prometheus = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            // Only when the program embeds Tasker and records metrics elsewhere.
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        names::describe();
        let upkeep = prometheus.clone();
        let spawned = std::thread::Builder::new()
            .name("metrics-upkeep".to_owned())
            .spawn(move || loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            });
        if let Err(error) = spawned {
            tracing::warn!(%error, "metrics are only folded when scraped");
        }
        MetricsHandle { prometheus }
    })
}

/// Buckets are refused only when there are none; then summaries take their place.
fn builder() -> PrometheusBuilder {
    let plain = PrometheusBuilder::new;
    plain()
        .set_buckets_for_metric(Matcher::Full(ADVANCE_BATCH_STEPS.to_owned()), &STEPS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        })
        .unwrap_or_else(|_| plain())
}

#[cfg(test)]
mod tests {
    use super::super::names::{MetricKind, METRICS};
    use super::install_recorder;

    #[test]
    fn every_metric_of_the_table_is_rendered_with_its_help_and_type() {
        let handle = install_recorder();
        for metric in METRICS {
            let labels: Vec<metrics::Label> = metric
                .labels
                .iter()
                .map(|label| metrics::Label::new(*label, "x"))
                .collect();
            match metric.kind {
                MetricKind::Counter => metrics::counter!(metric.name, labels).increment(1),
                MetricKind::Gauge => metrics::gauge!(metric.name, labels).set(1.0),
                MetricKind::Histogram => metrics::histogram!(metric.name, labels).record(0.002),
            }
        }
        let text = handle.render();
        for metric in METRICS {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            for line in [
                format!("# HELP {} {}", metric.name, metric.help),
                format!("# TYPE {} {kind}", metric.name),
            ] {
                assert!(text.contains(&line), "missing {line:?} in\n{text}");
            }
        }
    }

    #[test]
    fn durations_and_batches_have_their_own_buckets() {
        let handle = install_recorder();
        metrics::histogram!(super::names::STEP_DURATION_SECONDS, "namespace" => "buckets")
            .record(0.003);
        metrics::histogram!(super::ADVANCE_BATCH_STEPS).record(400.0);
        let text = handle.render();
        let lines = [
            "tasker_step_duration_seconds_bucket{namespace=\"buckets\",le=\"0.0025\"} 0",
            "tasker_step_duration_seconds_bucket{namespace=\"buckets\",le=\"0.005\"} 1",
            "tasker_step_duration_seconds_bucket{namespace=\"buckets\",le=\"60\"} 1",
            "tasker_advance_batch_steps_bucket{le=\"500\"}",
        ];
        for line in lines {
            assert!(text.contains(line), "missing {line:?} in\n{text}");
        }
    }

    #[test]
    fn the_recorder_can_be_installed_twice_and_stays_the_same() {
        let first = install_recorder();
        metrics::counter!("tasker_test_twice_total").increment(1);
        let second = install_recorder();
        assert!(std::ptr::eq(first, second));
        assert!(second.render().contains("tasker_test_twice_total 1"));
    }

    #[test]
    fn names_are_unique_and_say_their_unit() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} twice", metric.name);
            assert!(metric.name.starts_with("tasker_"));
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == MetricKind::Counter,
                "{}",
                metric.name
            );
        }
    }
}
