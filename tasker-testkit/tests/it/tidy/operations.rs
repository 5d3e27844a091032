//! The tables of the operator's handbook are those of the program: written from
//! the configuration's base files and the table of metrics, and compared here.
//! `TASKER_UPDATE_DOCUMENTS=1 cargo test -p tasker-testkit tidy` writes them anew.

use std::fmt::Write as _;
use std::fs;

use tasker_shared::config::{Config, Engine};
use tasker_shared::telemetry::{MetricKind, METRICS};

use super::root;

const HANDBOOK: &str = "docs/operations.md";

/// One table a section, in the order of the files: key, default, comment. Keys
/// that follow each other without a comment between them share theirs.
fn configuration() -> String {
    let mut text = String::new();
    let (mut comment, mut in_comment) = (String::new(), false);
    for part in ["shared", "orchestration", "worker"] {
        let file = fs::read_to_string(root().join(format!("config/{part}/base.toml"))).unwrap();
        for line in file.lines() {
            if let Some(words) = line.strip_prefix('#') {
                if !in_comment {
                    comment.clear();
                }
                in_comment = true;
                comment.push_str(words);
                continue;
            }
            in_comment = false;
            if let Some(section) = line.strip_prefix('[') {
                comment.clear();
                let section = section.trim_end_matches(']');
                let _ = write!(text, "\n`[{section}]`, in `config/{part}/`\n\n| key | default | meaning |\n| --- | --- | --- |\n");
            } else if let Some((key, default)) = line.split_once(" = ") {
                let _ = writeln!(
                    text,
                    "| `{key}` | `{default}` | {} |",
                    comment.trim().replace('|', "\\|").replace('<', "&lt;")
                );
            }
        }
    }
    text
}

fn metrics() -> String {
    let mut text = "\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {} |",
            metric.name,
            metric.labels.join(", "),
            metric.help
        );
    }
    text
}

fn assert_is_current(name: &str, expected: &str) {
    let path = root().join(HANDBOOK);
    let handbook = fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {name}: begin -->\n"),
        format!("\n<!-- {name}: end -->"),
    );
    let from = handbook.find(&begin).unwrap() + begin.len();
    let to = handbook.find(&end).unwrap() + 1;
    if handbook[from..to] == *expected {
        return;
    }
    if std::env::var_os("TASKER_UPDATE_DOCUMENTS").is_some() {
        fs::write(
            &path,
            [&handbook[..from], expected, &handbook[to..]].concat(),
        )
        .unwrap();
        return;
    }
    panic!("{HANDBOOK} is out of date. Its table of {name} should be:\n{expected}");
}

/// One test for both tables, since both may write the same file.
#[test]
fn the_handbook_knows_every_key_and_every_metric() {
    assert_is_current("configuration", &configuration());
    assert_is_current("metrics", &metrics());
}

/// What a dead worker costs is told in prose too.
#[test]
fn the_promised_delay_is_a_lease() {
    let seconds = Engine::default().lease_ms / 1000;
    for document in ["README.md", HANDBOOK] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let promise = format!("{seconds} s by default");
        assert!(text.contains(&promise), "{document} should say {promise:?}");
    }
}

/// Statements a minute: looks, measurements of the queues, one comparison of counters;
/// looks and refreshments of a worker's row.
#[test]
fn the_handbook_knows_what_idleness_costs() {
    let config = Config::default();
    let a_minute = |ms: u64| 60_000 / ms;
    let lease = config.engine.lease_ms;
    let measured = a_minute(config.orchestration.queue_metrics_interval_ms);
    let costs = [5, 1].map(|rarely| {
        let poll = config.engine.poll_interval_ms * rarely;
        let orchestration = a_minute(poll.min(lease)) + measured + 1;
        let worker = a_minute(poll) + a_minute(20_000);
        (orchestration, worker)
    });
    let [(orchestration, worker), (deaf_orchestration, deaf_worker)] = costs;
    assert!(orchestration <= 12 && worker <= 12);
    let handbook = fs::read_to_string(root().join(HANDBOOK)).unwrap();
    for (process, idle, deaf) in [
        ("orchestration", orchestration, deaf_orchestration),
        ("worker", worker, deaf_worker),
        (
            "both in one process",
            orchestration + worker,
            deaf_orchestration + deaf_worker,
        ),
    ] {
        let row = format!("| {process} | {idle} | {deaf} |\n");
        assert!(handbook.contains(&row), "{HANDBOOK} should say {row:?}");
    }
}
