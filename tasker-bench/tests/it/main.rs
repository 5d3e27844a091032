//! The program as its users run it: small, and with no look at any timing.

use std::process::Command;

use serde_json::Value;

mod experiments;
mod readiness;
mod report;

/// What a command printed, one record a line.
fn records(arguments: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_tasker-bench"))
        .args(arguments.split(' '))
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8_lossy(&output.stdout);
    let record = |line| serde_json::from_str(line).expect("a line is a record");
    lines.lines().map(record).collect()
}

#[test]
fn a_small_run_counts_what_it_did() {
    let records = records("linear --tasks 6 --length 3 --in-flight 4 --warm-up 3");
    let [record] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(record["command"], "linear");
    assert_eq!(record["mode"], "queued");
    assert_eq!(record["tasks"], 6);
    assert_eq!(record["steps"], 18);
    for field in [
        "seconds",
        "steps_per_second",
        "commits_per_step",
        "transactions_per_step",
        "wal_bytes_per_step",
    ] {
        assert!(
            record[field].as_f64().is_some_and(|value| value > 0.0),
            "{field}: {record}"
        );
    }
    assert_eq!(record["postgres_settings"]["fsync"], "on");
    assert_eq!(record["postgres_settings"]["synchronous_commit"], "on");
    let (p50, p99) = (
        record["latency_ms"]["p50"].as_f64(),
        record["latency_ms"]["p99"].as_f64(),
    );
    assert!(p50 <= p99, "{record}");
}
