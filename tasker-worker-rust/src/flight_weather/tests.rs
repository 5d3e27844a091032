//! The pipeline, step by step, through the registered handlers.

use serde_json::{json, Value};

use super::dataset;
use super::summary::Summary;
use crate::testing::Step;

const HALVES: [(&str, u8, u8); 6] = [
    ("EWR", 1, 6),
    ("EWR", 7, 12),
    ("JFK", 1, 6),
    ("JFK", 7, 12),
    ("LGA", 1, 6),
    ("LGA", 7, 12),
];

async fn inspect() -> Value {
    Step::new("inspect_data")
        .run("FlightWeather::Inspect")
        .await
        .unwrap()
}

async fn summarise(inspection: &Value, (origin, first_month, last_month): (&str, u8, u8)) -> Value {
    let step = Step::new("summarise")
        .config(json!({"origin": origin, "first_month": first_month, "last_month": last_month}))
        .parent("inspect_data", inspection.clone());
    step.run("FlightWeather::Summarise").await.unwrap()
}

async fn merge_step(inspection: &Value, halves: &[(&str, u8, u8)]) -> Step {
    let mut step = Step::new("merge_partitions").parent("inspect_data", inspection.clone());
    for (index, half) in halves.iter().enumerate() {
        step = step.parent(&format!("part_{index}"), summarise(inspection, *half).await);
    }
    step
}

#[tokio::test]
async fn the_data_are_those_the_readme_names() {
    let inspection = inspect().await;
    assert_eq!(inspection["rows"], 26_115);
    let readme = include_str!("../../data/README.md");
    assert!(readme.contains(inspection["sha256"].as_str().unwrap()));
    assert!(inspection["columns"]
        .as_array()
        .unwrap()
        .iter()
        .all(|c| readme.contains(c.as_str().unwrap())));
}

#[tokio::test]
async fn the_merged_partitions_equal_one_pass_over_everything() {
    let inspection = inspect().await;
    let merged = merge_step(&inspection, &HALVES)
        .await
        .run("FlightWeather::Merge")
        .await
        .unwrap();
    let mut whole = Summary::default();
    for hour in dataset::hours() {
        whole.add(&hour.unwrap());
    }
    assert_eq!(merged["summary"], serde_json::to_value(&whole).unwrap());
    assert_eq!(merged["partitions"], 6);
    assert_eq!(whole.total().hours, 26_115);
    assert_eq!(whole.wind_implausible, 1);
    assert_eq!((whole.temperature.missing, whole.wind_kt.missing), (1, 4));
    assert_eq!(whole.total().scheduled, 335_220);
}

#[tokio::test]
async fn partitions_that_overlap_or_leave_a_gap_are_refused() {
    let inspection = inspect().await;
    let mut overlapping = HALVES.to_vec();
    overlapping[1] = ("EWR", 6, 12);
    for halves in [&HALVES[..5], &overlapping] {
        let error = merge_step(&inspection, halves)
            .await
            .run("FlightWeather::Merge")
            .await
            .unwrap_err();
        assert_eq!(
            error.error_code.as_deref(),
            Some("PARTITIONS_DO_NOT_ADD_UP")
        );
    }
}

#[tokio::test]
async fn a_worker_with_other_data_is_refused() {
    let mut inspection = inspect().await;
    inspection["sha256"] = json!("0000");
    let step = Step::new("summarise")
        .config(json!({"origin": "EWR", "first_month": 1, "last_month": 6}))
        .parent("inspect_data", inspection);
    let error = step.run("FlightWeather::Summarise").await.unwrap_err();
    assert_eq!(error.error_code.as_deref(), Some("DATA_DIFFER"));
}

#[tokio::test]
async fn the_report_is_written_verified_and_a_change_is_noticed() {
    let inspection = inspect().await;
    let merged = merge_step(&inspection, &HALVES)
        .await
        .run("FlightWeather::Merge")
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let context = json!({"output_dir": place.path().join("reports"), "title": "Delays <2013>"});
    let step = |name: &str| Step::new(name).task_id(42).context(context.clone());
    let render = || {
        let step = step("render_report").parent("inspect_data", inspection.clone());
        step.parent("merge_partitions", merged.clone())
            .run("FlightWeather::RenderReport")
    };
    let report = render().await.unwrap();
    assert_eq!(
        render().await.unwrap(),
        report,
        "a second execution writes the same"
    );
    let path = std::path::Path::new(report["path"].as_str().unwrap());
    assert_eq!(path.file_name().unwrap(), "flight_weather_report_42.html");
    let html = std::fs::read_to_string(path).unwrap();
    assert!(
        html.contains("<h1>Delays &lt;2013&gt;</h1>")
            && html.contains("<svg")
            && html.contains("CC0-1.0")
    );

    let verify = || {
        step("verify_report")
            .parent("render_report", report.clone())
            .run("FlightWeather::VerifyReport")
    };
    assert_eq!(verify().await.unwrap(), report);
    std::fs::write(path, "something else").unwrap();
    assert_eq!(
        verify().await.unwrap_err().error_code.as_deref(),
        Some("REPORT_DIFFERS")
    );
    std::fs::remove_file(path).unwrap();
    assert_eq!(verify().await.unwrap_err().kind.as_str(), "retryable");
}

#[tokio::test]
async fn without_a_title_the_report_has_one_of_its_own() {
    let inspection = inspect().await;
    let merged = merge_step(&inspection, &HALVES)
        .await
        .run("FlightWeather::Merge")
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let step = Step::new("render_report")
        .context(json!({"output_dir": place.path()}))
        .parent("inspect_data", inspection)
        .parent("merge_partitions", merged);
    let report = step.run("FlightWeather::RenderReport").await.unwrap();
    let html = std::fs::read_to_string(report["path"].as_str().unwrap()).unwrap();
    assert!(html.contains("Weather and departure delays in New York, 2013"));
}
