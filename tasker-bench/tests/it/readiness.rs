//! The readiness comparison at its smallest. It fails by itself where the two engines
//! name different steps.

use crate::records;

#[test]
fn every_shape_is_answered_alike_and_timed_three_ways() {
    let records = records("readiness --largest 10");
    let variants: Vec<&str> = records
        .iter()
        .filter_map(|record| record["variant"].as_str())
        .collect();
    assert_eq!(
        variants,
        [
            "linear n=10",
            "fan-in n=10",
            "layered n=10",
            "diamonds n=10"
        ]
    );
    for record in &records {
        assert_eq!(record["steps"], 10, "{record}");
        assert_eq!(record["values"]["n"], 10.0, "{record}");
        for name in ["tasker_ms", "rails_function_ms", "rails_sql_ms", "ratio"] {
            let value = record["values"][name].as_f64();
            assert!(value.is_some_and(|value| value > 0.0), "{name}: {record}");
        }
    }
}
