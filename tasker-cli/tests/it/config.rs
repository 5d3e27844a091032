//! `tasker config`: values, origins, masks, and everything that is wrong at once.

use std::fs;

use serde_json::Value;

use crate::program::{command, run, run_in};

#[test]
fn every_value_comes_with_its_origin() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("config/shared")).unwrap();
    let file = directory.path().join("config/shared/base.toml");
    fs::write(file, "[engine]\nlease_ms = 20000\n").unwrap();
    let output = command()
        .args(["config", "show", "--json", "--set", "worker.concurrency=7"])
        .env("TASKER__ENGINE__POLL_INTERVAL_MS", "750")
        .current_dir(directory.path())
        .output()
        .unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let entry = |key: &str| {
        let found = entries.iter().find(|e| e["key"] == key).unwrap();
        (
            found["value"].as_str().unwrap().to_owned(),
            found["origin"].as_str().unwrap().to_owned(),
        )
    };
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(
        entry("engine.lease_ms"),
        pair("20000", "config/shared/base.toml:2")
    );
    assert_eq!(
        entry("engine.poll_interval_ms"),
        pair("750", "variable TASKER__ENGINE__POLL_INTERVAL_MS")
    );
    assert_eq!(entry("worker.concurrency"), pair("7", "command line"));
    assert_eq!(entry("engine.mode").1, "built-in default");
}

#[test]
fn the_database_url_is_never_shown() {
    let url = "database.url=postgres://someone:hidden@db.example.org/orders";
    for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
        let ran = run(&[arguments, &["--set", url]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("********"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("hidden"), "{}", ran.stdout);
    }
}

#[test]
fn a_prefix_narrows_the_list() {
    let ran = run(&["config", "show", "worker."]);
    assert!(ran.stdout.contains("worker.bind"));
    assert!(!ran.stdout.contains("engine."));
    assert_eq!(run(&["config", "show", "nothing."]).code, 2);
}

#[test]
fn validate_lists_every_problem() {
    assert_eq!(run(&["config", "validate"]).code, 0);
    let arguments = [
        "config",
        "validate",
        "--set",
        "engine.lease_ms=1",
        "--set",
        "engine.lase_ms=1",
    ];
    let ran = run(&arguments);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("engine.lease_ms"), "{}", ran.stdout);
    assert!(ran.stdout.contains("engine.lase_ms"), "{}", ran.stdout);
    // Other commands do not run with such a configuration.
    let ran = run(&["verify", "--set", "engine.lease_ms=1"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.starts_with("error: configuration refused"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_named_directory_holds_templates_too() {
    let directory = tempfile::tempdir().unwrap();
    let named = directory.path().join("elsewhere");
    fs::create_dir(&named).unwrap();
    let named = named.to_str().unwrap();
    let ran = run_in(
        directory.path(),
        &[
            "config",
            "show",
            "templates.directory",
            "--config-dir",
            named,
        ],
    );
    assert!(ran.stdout.contains(named), "{}", ran.stdout);
}
