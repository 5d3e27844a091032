//! The demo: on a fresh machine, interrupted, and with a workflow that fails.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use tasker_testkit::ServiceProcess;

use crate::dev::START;
use crate::program::run_in;

/// Addresses of the services that a demo has named so far.
fn addresses(output: &str) -> Vec<SocketAddr> {
    let services = output
        .lines()
        .filter(|l| l.contains("orchestrator") || l.contains("worker"));
    services
        .filter_map(|l| l.split("http://").nth(1)?.parse().ok())
        .collect()
}

fn assert_nothing_left(output: &str) {
    for address in addresses(output) {
        assert!(
            TcpStream::connect(address).is_err(),
            "a service still listens on {address}"
        );
    }
    let cluster = output
        .lines()
        .find_map(|l| l.split(", in ").nth(1))
        .unwrap();
    assert!(!Path::new(cluster).exists(), "{cluster} is still there");
}

#[tokio::test]
async fn the_demo_runs_anywhere_and_leaves_nothing_but_its_report() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run_in(directory.path(), &["demo"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    for text in [
        "150.36 USD",
        "in attempt 2",
        "26,115",
        "no violations",
        "/docs",
    ] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    assert_eq!(addresses(&ran.stdout).len(), 2, "{}", ran.stdout);
    assert_nothing_left(&ran.stdout);
    let reports = std::fs::read_dir(directory.path().join(".tasker/demo")).unwrap();
    assert_eq!(reports.count(), 1);
}

#[tokio::test]
async fn a_demo_that_is_interrupted_cleans_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut demo = ServiceProcess::binary("tasker")
        .unwrap()
        .arg("demo")
        .current_dir(directory.path())
        .start()
        .unwrap();
    demo.wait_for_line("step validate_order", START)
        .await
        .unwrap();
    demo.terminate().unwrap();
    let status = demo.wait_exit(Duration::from_secs(40)).await.unwrap();
    assert_eq!(status.code(), Some(1), "{}", demo.output());
    assert!(
        demo.output().contains("error: interrupted"),
        "{}",
        demo.output()
    );
    assert_nothing_left(&demo.output());
}

#[tokio::test]
async fn a_demo_whose_workflow_fails_says_why() {
    let directory = tempfile::tempdir().unwrap();
    // In the way of the report's directory.
    std::fs::write(directory.path().join(".tasker"), "").unwrap();
    let ran = run_in(directory.path(), &["demo"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("\nrender_report  \u{2717} failed\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("flight_weather_report did not complete"),
        "{}",
        ran.stderr
    );
    assert_nothing_left(&ran.stdout);
}
