//! The shipped workflows, run to their ends.

use std::fs;

use serde_json::{json, Value};
use tasker_client::Client;
use tasker_shared::domain::State;
use tasker_shared::wire::StepPhase;
use tasker_testkit::ServiceProcess;

use crate::site::{complete, ended, failure_kinds, states, step, submit, Service, Site, PATIENCE};
use crate::templates::{config_directory, register_shipped};
use crate::verbs::by_anna;

/// What each example ends in with `even_number` 6, as its template says.
const ENDS: [(&str, &str, i64); 4] = [
    ("examples/01_linear", "square_4", 2_821_109_907_456),
    ("examples/02_diamond", "join", 51_840),
    ("examples/03_tree", "gather", 2_896),
    ("examples/04_mixed_dag", "finish", 585),
];

fn order() -> Value {
    json!({
        "order_id": "A-1001",
        "customer": {"name": "Ada Lovelace", "email": "ada@example.org"},
        "shipping_address": {"street": "12 Main St", "postal_code": "10001", "city": "New York", "country": "US"},
        "items": [{"sku": "KB-104", "quantity": 2, "unit_price": "49.90"}],
        "payment": {"method": "card", "token": "tok_visa"},
        "total": "124.66"
    })
}

async fn assert_ends(client: &Client) {
    let mut tasks = Vec::new();
    for (template, last, value) in ENDS {
        tasks.push((
            submit(client, template, json!({"even_number": 6})).await,
            last,
            value,
        ));
    }
    for (task, last, value) in tasks {
        complete(client, &[task]).await;
        assert_eq!(step(client, task, last).await.results["value"], value);
    }
}

#[tokio::test]
async fn every_shipped_template_is_registered_at_start_and_the_examples_end_as_they_say() {
    let site = Site::new().await;
    let directory = format!("templates.directory={}", config_directory().display());
    let settings = ["templates.load_on_start=true", directory.as_str()];
    let orchestrator = site.orchestrator_with(&settings).await;
    let _worker = site.worker().await;
    assert_eq!(orchestrator.client.templates().await.unwrap().len(), 12);
    assert_ends(&orchestrator.client).await;
    let failed = site
        .count("SELECT count(*) FROM tasker.step_failures")
        .await;
    assert_eq!(failed, 0);
    site.assert_sound().await;
}

#[tokio::test]
async fn results_that_go_around_the_queue_are_the_same_results() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site
        .worker_with(&["engine.results_inline_max_bytes=0", "engine.audit=live"])
        .await;
    for (template, ..) in ENDS {
        register_shipped(&orchestrator.client, template).await;
    }
    assert_ends(&orchestrator.client).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn an_order_is_fulfilled_though_the_payment_fails_once() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    register_shipped(client, "ecommerce/order_fulfilment").await;
    let task = submit(client, "ecommerce/order_fulfilment", order()).await;
    complete(client, &[task]).await;

    let payment = step(client, task, "charge_payment").await;
    assert_eq!(
        (payment.attempts, payment.results["amount"].as_str()),
        (2, Some("124.66"))
    );
    assert_eq!(failure_kinds(&payment), [(1, "retryable")]);
    assert_eq!(
        payment.failures.unwrap()[0].error["error_code"],
        "GATEWAY_TIMEOUT"
    );
    let path: Vec<String> = payment
        .transitions
        .unwrap()
        .into_iter()
        .map(|t| t.to_state)
        .collect();
    assert_eq!(
        path,
        ["in_progress", "error", "pending", "in_progress", "complete"]
    );
    let notice = step(client, task, "notify_customer").await;
    assert!(
        notice.results["body"]
            .as_str()
            .unwrap()
            .contains("Ada Lovelace"),
        "{}",
        notice.results
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn the_weather_report_is_written_once_nothing_is_in_its_way() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    register_shipped(client, "analytics/flight_weather_report").await;
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("reports");
    // A file where the directory must be: the step that writes is refused for good.
    fs::write(&directory, "in the way").unwrap();
    let task = submit(
        client,
        "analytics/flight_weather_report",
        json!({"output_dir": directory}),
    )
    .await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let blocked = client.explain(task).await.unwrap();
    let verify = blocked
        .steps
        .iter()
        .find(|step| step.name == "verify_report")
        .unwrap();
    assert_eq!(
        (verify.phase, verify.waiting_on.as_slice()),
        (StepPhase::Blocked, &["render_report".to_owned()][..])
    );

    fs::remove_file(&directory).unwrap();
    client.retry_task(task, &by_anna()).await.unwrap();
    complete(client, &[task]).await;
    let merged = step(client, task, "merge_partitions").await;
    assert_eq!(
        (merged.attempts, &merged.results["partitions"]),
        (1, &json!(6))
    );
    assert_eq!(merged.results["summary"]["rows"], 26_115);
    let render = step(client, task, "render_report").await;
    assert_eq!(
        (render.attempts, failure_kinds(&render)),
        (1, vec![(1, "permanent")])
    );
    let written: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(fs::read_to_string(&written[0]).unwrap().contains("<svg"));
    site.assert_sound().await;
}

#[tokio::test]
async fn a_step_that_refuses_ends_the_task_in_error_after_all_other_branches_finished() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let mut worker = site.worker().await;
    let client = &orchestrator.client;
    register_shipped(client, "examples/05_failures").await;
    let task = submit(client, "examples/05_failures", json!({})).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let expected = [
        ("start", State::Complete),
        ("recovers", State::Complete),
        ("panics_once", State::Complete),
        ("goes_on", State::Complete),
        ("refuses", State::Error),
        ("blocked", State::Pending),
    ];
    assert_eq!(
        states(client, task).await,
        expected.map(|(name, state)| (name.to_owned(), state))
    );

    let explanation = client.explain(task).await.unwrap();
    assert_eq!(
        explanation.summary,
        "The task is error: 4 of 6 steps done, 1 failed, 1 blocked."
    );
    let [refuses, blocked] = &explanation.steps[..] else {
        panic!("{explanation:?}")
    };
    assert!(
        refuses.reason.contains("the account does not exist"),
        "{refuses:?}"
    );
    assert_eq!(
        (blocked.phase, blocked.waiting_on.as_slice()),
        (StepPhase::Blocked, &["refuses".to_owned()][..])
    );
    assert_eq!(
        failure_kinds(&step(client, task, "recovers").await),
        [(1, "retryable"), (2, "retryable")]
    );
    assert_eq!(
        failure_kinds(&step(client, task, "panics_once").await),
        [(1, "panic")]
    );
    assert_eq!(
        failure_kinds(&step(client, task, "refuses").await),
        [(1, "permanent")]
    );
    assert!(worker.process.is_running());
    site.assert_sound().await;
}

#[tokio::test]
async fn one_process_runs_the_same_workflows_without_a_results_queue() {
    let site = Site::new().await;
    let builder = ServiceProcess::binary("tasker")
        .unwrap()
        .arg("dev")
        .arg("--database-url")
        .arg(&site.url)
        .arg("--port=0")
        .arg("--worker-port=0")
        .current_dir(config_directory().join(".."));
    let mut dev = Service::start(builder, "api  ").await;
    assert_ends(&dev.client).await;
    let task = submit(&dev.client, "ecommerce/order_fulfilment", order()).await;
    complete(&dev.client, &[task]).await;
    assert_eq!(step(&dev.client, task, "charge_payment").await.attempts, 2);
    let sent = site
        .count("SELECT last_value + is_called::int - 1 FROM pgmq.q_step_results_msg_id_seq")
        .await;
    assert_eq!(sent, 0);
    site.assert_sound().await;

    dev.process.terminate().unwrap();
    let status = dev.process.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", dev.process.output());
}
