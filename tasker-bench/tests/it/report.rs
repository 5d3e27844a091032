//! A report is made of records and of nothing else.

use std::fs;
use std::process::Command;

use crate::records;

#[test]
fn what_a_run_printed_is_what_the_report_says() {
    let records = records("lone --rounds 3 --warm-up 4");
    let [record] = &records[..] else {
        panic!("{records:?}")
    };
    for times in ["next_start", "post_to_start"] {
        let quantiles = record["quantiles_ms"][times].as_array().unwrap();
        assert_eq!(quantiles.len(), 101, "{record}");
        assert_eq!(quantiles[50], record["lone_ms"][times]["p50"], "{record}");
    }
    let documents = tempfile::tempdir().unwrap();
    let folder = documents.path().join("benchmarks");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("records.jsonl"), format!("{record}\n")).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_tasker-bench"))
        .arg("report")
        .arg(documents.path())
        .status()
        .unwrap();
    assert!(status.success());
    let page = fs::read_to_string(documents.path().join("benchmarks.md")).unwrap();
    let version = record["postgres_version"].as_str().unwrap();
    assert!(page.contains(version), "{page}");
    assert!(
        page.contains("| from a handler to the next     | queued |"),
        "{page}"
    );
    assert!(folder.join("latency.svg").exists());
}
