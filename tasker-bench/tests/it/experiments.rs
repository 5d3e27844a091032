//! Experiments at their smallest: what they count, never how long it takes.

use serde_json::Value;

use crate::records;

fn value(record: &Value, name: &str) -> f64 {
    record["values"][name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name}: {record}"))
}

#[test]
fn transitions_are_timed_alone_and_in_batches() {
    let records = records("transition --tasks 2 --batched-tasks 3 --length 4 --batch 3");
    let [record] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(record["steps"], 20);
    for name in ["single_ms", "commit_ms", "amortised_us"] {
        assert!(value(record, name) > 0.0, "{name}: {record}");
    }
    assert_eq!(
        record["quantiles_ms"]["single"].as_array().map(Vec::len),
        Some(101)
    );
}

#[test]
fn history_is_stored_and_sound_before_the_rates_are_compared() {
    let records = records("history --stored 1900 --tasks 3 --in-flight 3 --warm-up 19");
    let [empty, full] = &records[..] else {
        panic!("{records:?}")
    };
    // Nineteen steps of the three shapes ran to be copied, and a hundred times as many
    // were stored.
    assert_eq!(empty["values"]["stored_steps"], 19.0);
    assert_eq!(full["values"]["stored_steps"], 19.0 + 1900.0);
    for record in [empty, full] {
        assert_eq!(
            (&record["tasks"], &record["steps"]),
            (&6.into(), &38.into())
        );
        assert!(value(record, "ratio") > 0.0, "{record}");
    }
}
