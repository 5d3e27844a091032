//! Of the report: it shows what the records say, and the one in the tree is current.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::cli::Mode;
use crate::record::{named, BeforeAfter, Cost, Lone, Record, Setting};
use crate::stats::{quantiles, Percentiles};

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn blank(command: &str) -> Record {
    Record {
        command: command.to_owned(),
        commit_probe_ms: BeforeAfter {
            before: 0.2,
            after: 0.25,
        },
        setting: Setting {
            cpu: Some("Some Processor".to_owned()),
            cores: 2,
            build: "release".to_owned(),
            postgres_version: "15.18".to_owned(),
            ..Setting::default()
        },
        ..Record::default()
    }
}

fn load(command: &str, shape: &str, in_flight: usize, mode: Mode, rate: f64) -> Record {
    Record {
        shape: shape.to_owned(),
        mode: Some(mode),
        tasks: 400,
        steps: 40_000,
        in_flight: Some(in_flight),
        steps_per_second: Some(rate),
        cost: Cost {
            commits_per_step: 0.05,
            wal_bytes_per_step: 2400.0,
            cpu_us_per_step: named([
                ("postgres", 120.0),
                ("orchestrator", 20.0),
                ("worker", 15.0),
            ]),
            ..Cost::default()
        },
        ..blank(command)
    }
}

fn lone(mode: Mode, p50: f64) -> Record {
    let times: Vec<f64> = (0..1000)
        .map(|n| p50 * (0.5 + f64::from(n) / 1000.0))
        .collect();
    Record {
        mode: Some(mode),
        quantiles_ms: [("next_start".to_owned(), quantiles(times.clone()))].into(),
        lone_ms: Some(Lone {
            next_start: Percentiles::of(times.clone()),
            post_to_start: Percentiles::of(times),
        }),
        ..blank("lone")
    }
}

fn readiness(steps: usize, ratio: f64) -> Record {
    Record {
        variant: Some(format!("linear n={steps}")),
        steps,
        values: named([
            ("tasker_ms", 0.1),
            ("rails_function_ms", 0.1 * ratio),
            ("rails_sql_ms", 0.2 * ratio),
            ("ratio", ratio),
        ]),
        ..blank("readiness")
    }
}

fn history(stored: f64, rate: f64) -> Record {
    Record {
        variant: Some(format!("stored={stored}")),
        steps_per_second: Some(rate),
        values: named([("stored_steps", stored), ("ratio", rate / 7000.0)]),
        ..blank("history")
    }
}

fn sample() -> Records {
    let mut unsteady = load("fan", "fan_100", 50, Mode::Queued, 9100.0);
    unsteady.commit_probe_ms.after = 0.9;
    unsteady.repeats = 2;
    Records(vec![
        Record {
            steps_per_second: Some(20_000.0),
            ..blank("anchor")
        },
        load("linear", "linear_20", 500, Mode::Queued, 7500.0),
        load("linear", "linear_20", 500, Mode::Direct, 9000.0),
        unsteady,
        load("fan", "fan_1000", 2, Mode::Queued, 10_000.0),
        load("fan", "fan_10000", 2, Mode::Queued, 9000.0),
        load("mixed", "diamond merge_7 tree_8", 500, Mode::Queued, 8000.0),
        Record {
            tasks: 4,
            ..load("layered", "layered_100x100", 1, Mode::Queued, 3000.0)
        },
        load("layered", "layered_10x10", 10, Mode::Queued, 6000.0),
        lone(Mode::Queued, 1.9),
        lone(Mode::Direct, 0.9),
        readiness(10, 12.0),
        readiness(100, 80.0),
        history(0.0, 7000.0),
        history(1e6, 6300.0),
        Record {
            command: "idle".to_owned(),
            error: Some("it was not quiet | at all".to_owned()),
            ..Record::default()
        },
    ])
}

fn page(records: &Records) -> String {
    let files = render(records).unwrap();
    let page = files.into_iter().find(|(path, _)| path == PAGE);
    page.unwrap().1
}

/// The cells of the row that begins like this, without blanks around them.
fn row(page: &str, begins: &str) -> Vec<String> {
    let line = page.lines().find(|line| line.starts_with(begins));
    let line = line.unwrap_or_else(|| panic!("no row begins with {begins:?}:\n{page}"));
    line.split(" |")
        .map(|cell| cell.trim_matches(['|', ' ']).to_owned())
        .collect()
}

#[test]
fn the_report_in_the_tree_is_what_its_records_say() {
    let records = read(&documents()).unwrap();
    let files = render(&records).unwrap();
    for (path, expected) in &files {
        let found = fs::read_to_string(documents().join(path)).unwrap();
        assert!(
            found == *expected,
            "docs/{path} is not what docs/{RECORDS} says; `tasker-bench report docs` writes it"
        );
    }
    let plots = plots_in(&documents().join(FOLDER)).unwrap().len();
    assert_eq!(
        plots,
        files.len() - 1,
        "a plot of an earlier report is left"
    );
}

#[test]
fn records_are_read_as_they_were_written() {
    let lines = sample().to_lines().unwrap();
    let read = Records::parse(&lines).unwrap();
    assert_eq!(read.to_lines().unwrap(), lines);
    assert_eq!(page(&read), page(&sample()));
}

#[test]
fn a_row_says_what_its_run_gave() {
    let page = page(&sample());
    let cells = row(&page, "| linear 20 ");
    assert_eq!(cells[1..6], ["500", "queued", "40,000", "7,500", "0.38"]);
    assert_eq!(cells[10..12], ["120 + 35", "0.20 → 0.25"]);
}

#[test]
fn a_run_on_an_unsteady_machine_is_marked() {
    let cells = row(&page(&sample()), "| fan 100 ");
    assert_eq!(cells[11], "0.20 → 0.90 †");
    assert_eq!(cells[13], "2");
}

#[test]
fn targets_tell_what_was_reached_missed_and_not_measured() {
    let page = page(&sample());
    let linear = row(&page, "| linear, 500 tasks");
    assert_eq!(
        linear[1..],
        [
            "7,500 steps/s",
            "≥ 4,000 steps/s",
            "≥ 8,000 steps/s",
            "gate met",
            ""
        ]
    );
    let large = row(&page, "| layered 100×100 against");
    assert_eq!(large[1..], ["0.500 ×", "≥ 0.8 ×", "", "missed", ""]);
    let readiness = row(&page, "| which steps became ready");
    assert_eq!(readiness[1], "12.0 × (linear n=10)");
    assert_eq!(readiness[4], "met");
    let recovery = row(&page, "| 0.95 of the rate after");
    assert_eq!(recovery[1..], ["", "≤ 5 s", "", "not measured", ""]);
}

#[test]
fn the_worst_of_several_runs_is_the_one_that_counts() {
    let cells = row(&page(&sample()), "| rate against the anchor's");
    assert_eq!(cells[1], "0.150 × (layered 100×100)");
    assert_eq!(cells[4], "missed");
}

#[test]
fn a_target_of_several_runs_of_which_one_is_missing_is_not_measured() {
    let cells = row(&page(&sample()), "| direct against queued");
    assert_eq!(cells[1..], ["", "≥ 1.15 ×", "", "not measured", ""]);
}

#[test]
fn a_failure_is_told_and_does_not_hide_the_rest() {
    let page = page(&sample());
    assert!(page.contains(r"it was not quiet \| at all"), "{page}");
    assert!(page.contains("## Stored history"), "{page}");
}

#[test]
fn plots_show_what_there_is_and_nothing_else() {
    let names = |records: &Records| -> Vec<String> {
        let files = render(records).unwrap();
        files.into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(
        names(&sample()),
        [
            "benchmarks/throughput.svg",
            "benchmarks/latency.svg",
            "benchmarks/size.svg",
            "benchmarks/history.svg",
            "benchmarks/readiness.svg",
            "benchmarks.md"
        ]
    );
    assert_eq!(names(&Records(vec![])), ["benchmarks.md"]);
}

#[test]
fn a_plot_names_the_values_it_draws() {
    let files = render(&sample()).unwrap();
    let svg = |name: &str| {
        let path = format!("benchmarks/{name}.svg");
        &files.iter().find(|(found, _)| *found == path).unwrap().1
    };
    assert!(svg("throughput").contains("anchor, PGMQ alone: 20,000"));
    assert!(svg("throughput").contains("7,500 queued"));
    assert!(svg("latency").contains("direct: p50 0.899 ms"));
    assert!(svg("history").contains("6,300"));
}

#[test]
fn a_report_takes_the_place_of_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &sample()).unwrap();
    let records = || {
        Records(vec![Record {
            steps_per_second: Some(20_000.0),
            ..blank("anchor")
        }])
    };
    write(directory.path(), &records()).unwrap();
    assert!(plots_in(&directory.path().join(FOLDER)).unwrap().is_empty());
    rewrite(directory.path()).unwrap();
    let found = fs::read_to_string(directory.path().join(PAGE)).unwrap();
    assert_eq!(found, page(&records()));
}
