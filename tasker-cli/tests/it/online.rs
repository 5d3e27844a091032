//! The verbs that need a service or a database.

use serde_json::Value;
use tasker_testkit::TestDatabase;

use crate::dev::Dev;
use crate::program::run;

#[tokio::test]
async fn a_task_is_submitted_followed_and_shown() {
    let dev = Dev::start().await;
    let submit = [
        "task",
        "submit",
        "linear_4",
        "--namespace",
        "bench",
        "--tag",
        "nightly",
    ];
    let ran = dev.run(&[&submit[..], &["--wait", "--timeout", "60"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("task 1 is submitted\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("step step_4  complete\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.ends_with("task 1  complete\n"), "{}", ran.stdout);

    let keyed = [&submit[..], &["--idempotency-key", "k1", "--wait"]].concat();
    let (first, second) = (dev.json(&keyed), dev.json(&keyed));
    assert_eq!(
        (&first["duplicate"], &first["state"]),
        (&Value::from(false), &Value::from("complete"))
    );
    assert_eq!(second["duplicate"], true);
    assert_eq!(first["task_id"], second["task_id"]);

    let page = dev.json(&["task", "list", "--tag", "nightly", "--limit", "1"]);
    assert_eq!(page["tasks"].as_array().unwrap().len(), 1);
    assert!(page["next_cursor"].is_string(), "{page}");
    let shown = dev.run(&["task", "show", "1", "--transitions"]);
    assert!(shown.stdout.contains("4/4  100 %"), "{}", shown.stdout);
    assert!(
        shown.stdout.contains(" \u{2713}  step_4  complete\n"),
        "{}",
        shown.stdout
    );
    let step = dev.json(&["step", "show", "1", "step_2"]);
    assert_eq!(
        (&step["name"], &step["state"]),
        (&Value::from("step_2"), &Value::from("complete"))
    );
    let watched = dev.run(&["task", "watch", "1", "--json"]);
    assert_eq!(watched.stdout.lines().count(), 1, "{}", watched.stdout);
    dev.end().await;
}

#[tokio::test]
async fn a_failed_task_is_explained_and_mended() {
    let dev = Dev::start().await;
    let submit = [
        "task",
        "submit",
        "05_failures",
        "--namespace",
        "examples",
        "--wait",
        "--timeout",
        "60",
    ];
    let ran = dev.run(&submit);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("`tasker explain 1`"), "{}", ran.stderr);

    let explained = dev.run(&["explain", "1"]);
    assert_eq!(explained.code, 0);
    assert!(
        explained.stdout.contains("\nrefuses  \u{2717} failed\n"),
        "{}",
        explained.stdout
    );
    assert!(
        explained.stdout.contains("\nblocked  ! blocked\n"),
        "{}",
        explained.stdout
    );
    let steps = dev.json(&["explain", "1"])["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 2, "{steps}");

    assert_eq!(dev.run(&["step", "cancel", "1", "nobody"]).code, 2);
    let ran = dev.run(&["step", "cancel", "1", "start"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let results = [
        "step",
        "resolve",
        "1",
        "refuses",
        "--results",
        "{\"value\": 1}",
        "--reason",
        "by hand",
    ];
    assert_eq!(dev.run(&results).code, 0);
    let ran = dev.run(&["task", "watch", "1", "--timeout", "60"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("step refuses      resolved by hand\n"),
        "{}",
        ran.stdout
    );
    dev.end().await;
}

#[tokio::test]
async fn a_task_without_a_handler_waits_until_it_is_cancelled() {
    let dev = Dev::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orphan.yaml");
    let yaml = "name: orphan\nversion: 1.0.0\ntask_handler_class: O\ndefault_dependent_system: s\n\
                step_templates: [{name: only, handler_class: Nobody::Has}]\n";
    std::fs::write(&file, yaml).unwrap();
    let register = ["template", "register", file.to_str().unwrap()];
    assert_eq!(
        dev.run(&register).stdout,
        "default/orphan 1.0.0: registered\n"
    );
    assert_eq!(
        dev.run(&register).stdout,
        "default/orphan 1.0.0: registered before\n"
    );
    let drawn = dev.run(&["template", "graph", "orphan"]);
    assert_eq!(drawn.stdout, " \u{25cb}  only  Nobody::Has\n");
    let listed = dev.json(&["template", "list"]);
    assert!(listed["templates"]
        .as_array()
        .unwrap()
        .iter()
        .any(|t| t["name"] == "orphan"));

    assert_eq!(dev.run(&["task", "submit", "orphan"]).code, 0);
    let ran = dev.run(&["task", "watch", "1", "--timeout", "1"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let explained = dev.run(&["explain", "1"]);
    assert!(
        explained.stdout.contains("Nobody::Has"),
        "{}",
        explained.stdout
    );
    let ran = dev.run(&["task", "cancel", "1", "--reason", "nobody has it"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "task 1 is cancelled (cancelled)\n")
    );
    assert_eq!(dev.run(&["task", "watch", "1"]).code, 1);
    assert_eq!(dev.run(&["task", "cancel", "1"]).code, 3);
    dev.end().await;
}

#[tokio::test]
async fn verify_ends_with_1_when_an_invariant_is_broken() {
    let dev = Dev::start().await;
    let submit = [
        "task",
        "submit",
        "linear_4",
        "--namespace",
        "bench",
        "--wait",
        "--timeout",
        "60",
    ];
    assert_eq!(dev.run(&submit).code, 0);
    let sound = dev.verify();
    assert_eq!(
        (sound.code, sound.stdout.as_str()),
        (0, "no violations: every invariant holds\n")
    );
    sqlx::query("UPDATE tasker_workflow_steps SET in_process = true")
        .execute(dev.database.pool())
        .await
        .unwrap();
    let broken = dev.verify();
    assert_eq!(broken.code, 1, "{}", broken.stdout);
    assert!(broken.stdout.starts_with("INVARIANT "), "{}", broken.stdout);
    dev.end().await;
}

#[tokio::test]
async fn a_migration_is_shown_before_it_runs() {
    let database = TestDatabase::empty().await.unwrap();
    let url = format!("database.url={}", database.url());
    let planned = run(&["migrate", "--dry-run", "--set", &url]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    assert!(
        planned.stdout.contains("CREATE TABLE"),
        "{}",
        planned.stdout
    );
    let verified = run(&["verify", "--set", &url]);
    assert_eq!(verified.code, 1, "{}", verified.stderr);
    assert!(
        verified.stderr.contains("`tasker migrate`"),
        "{}",
        verified.stderr
    );
    let applied = run(&["migrate", "--set", &url]);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    assert!(applied.stdout.contains("applied "), "{}", applied.stdout);
    let again = run(&["migrate", "--set", &url]);
    assert_eq!(again.stdout, "nothing to do: the schema is current\n");
    assert_eq!(run(&["verify", "--set", &url]).code, 0);
}
