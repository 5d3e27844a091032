//! Results from small to the largest allowed: stored as they are, handed on as they
//! are, and no burden to the queues; and those beyond.
//!
//! The worker is one of this process, as a user writes one, with handlers that know
//! what they answered and tell what they were given.

use std::sync::Arc;

use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use tasker_shared::config::{Config, Mode, Secret};
use tasker_shared::domain::{State, StepError};
use tasker_worker_foundation::{HandlerRegistry, RustDispatch, StepContext, Worker};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::site::{complete, ended, failure_kinds, states, step, submit, Site};
use crate::templates::{register, template};

const KIB: usize = 1_024;
/// Largest result that rides in a message; longer ones go to the step's row.
const INLINE_MAX: usize = 8 * KIB;
/// Largest result of all.
const RESULT_MAX: usize = 5 * KIB * KIB;
/// Largest error of an attempt.
const ERROR_MAX: usize = 64 * KIB;
/// More than a message of one report weighs without its results.
const FRAME: usize = 512;

/// Results whose JSON text has exactly `bytes` bytes. Most of it are characters that
/// do not survive careless hands: escaped ones, and some of two, three and four bytes.
fn results(bytes: usize) -> Value {
    let unit = "é\"漢\\\n🙂 ";
    let length = |text: &str| json!({ "text": text }).to_string().len();
    let (empty, each) = (length(""), length(unit) - length(""));
    let mut text = unit.repeat((bytes - empty) / each);
    text.push_str(&"x".repeat(bytes - length(&text)));
    json!({ "text": text })
}

fn digest(value: &Value) -> Value {
    let text = value.to_string();
    json!({ "bytes": text.len(), "sha256": format!("{:x}", Sha256::digest(text)) })
}

/// `It::Results` answers results of `bytes` of its configuration, `It::Digest` with
/// what it was given by its parents.
fn handlers() -> HandlerRegistry {
    let digests = |step: &StepContext| -> Value {
        let parents = step.results().iter();
        parents
            .map(|(name, value)| (name.clone(), digest(value)))
            .collect()
    };
    HandlerRegistry::new()
        .register_fn("It::Results", |step| async move {
            Ok(results(step.config()["bytes"].as_u64().unwrap() as usize))
        })
        .register_fn("It::Hostile", |step| async move {
            Err(hostile(step.step_name()))
        })
        .register_fn("It::Digest", move |step| async move { Ok(digests(&step)) })
}

/// Errors no careful handler would make.
fn hostile(step: &str) -> StepError {
    let mut error = StepError::permanent("no \0 here").with_class("It\0");
    match step {
        "nul" => {}
        "deep" => error.context = Some((0..500).fold(json!(1), |inner, _| json!([inner]))),
        "large" => error.backtrace = Some("é\n".repeat(KIB * KIB)),
        _ => error.message = "é".repeat(KIB * KIB),
    }
    error
}

/// A worker that ends with the test.
async fn worker(site: &Site, mode: Mode) -> DropGuard {
    let mut config = Config::default();
    config.database.url = Some(Secret::new(site.url.clone()));
    config.engine.mode = mode;
    config.worker.bind = "127.0.0.1:0".parse().unwrap();
    assert_eq!(config.engine.results_inline_max_bytes, INLINE_MAX);
    assert_eq!(config.engine.result_max_bytes, RESULT_MAX);
    let store = tasker_shared::store::Store::open(&config).await.unwrap();
    let shutdown = CancellationToken::new();
    let dispatch = Arc::new(RustDispatch::new(handlers()));
    Worker::start(&config, store, dispatch, shutdown.clone())
        .await
        .unwrap();
    shutdown.drop_guard()
}

/// Keeps the size and the fields of every message from here on, in table `witness`.
async fn watch_queues(site: &Site) {
    let sql = "
        CREATE TABLE witness (queue text, bytes bigint, fields text);
        CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.witness
            SELECT TG_TABLE_NAME, octet_length(NEW.message::text), string_agg(field, ' ' ORDER BY field)
              FROM jsonb_object_keys(NEW.message) AS field;
            RETURN NULL;
        END $$;
        CREATE TRIGGER witness AFTER INSERT ON pgmq.q_step_results FOR EACH ROW EXECUTE FUNCTION witness();
        CREATE TRIGGER witness AFTER INSERT ON pgmq.q_steps_it FOR EACH ROW EXECUTE FUNCTION witness();";
    sqlx::raw_sql(sql).execute(site.pool()).await.unwrap();
}

/// Runs tasks of two steps, one after another, whose first answers results of these
/// sizes; what the second was given must be what the first answered.
async fn pass_on(mode: Mode, sizes: &[usize]) -> Site {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    for bytes in sizes {
        let give =
            format!("name: give, handler_class: It::Results, handler_config: {{bytes: {bytes}}}");
        let take = "name: take, depends_on_step: give, handler_class: It::Digest";
        register(client, &template(&format!("pass_{bytes}"), &[&give, take])).await;
    }
    watch_queues(&site).await;
    let _worker = worker(&site, mode).await;
    for bytes in sizes {
        let task = submit(client, &format!("it/pass_{bytes}"), json!({})).await;
        complete(client, &[task]).await;
        let expected = results(*bytes);
        assert_eq!(expected.to_string().len(), *bytes);
        let given = step(client, task, "give").await.results;
        assert!(given == expected, "{bytes} bytes are not what was answered");
        let taken = step(client, task, "take").await.results;
        assert_eq!(taken, json!({"give": digest(&expected)}), "{bytes} bytes");
    }
    let others = "SELECT count(*) FROM witness WHERE queue = 'q_steps_it' AND (fields <> 'step_id task_id' OR bytes > 64)";
    assert_eq!(site.count(others).await, 0);
    let steps = "SELECT count(*) FROM witness WHERE queue = 'q_steps_it'";
    assert_eq!(site.count(steps).await, 2 * sizes.len() as i64);
    site.assert_sound().await;
    site
}

#[tokio::test]
async fn results_of_any_size_arrive_as_they_were_and_large_ones_not_by_message() {
    let sizes = [KIB, INLINE_MAX, INLINE_MAX + 1, 100 * KIB, RESULT_MAX];
    let site = pass_on(Mode::Queued, &sizes).await;
    // Those that ride along, each in a message of its own; the digests are small.
    let riding =
        format!("SELECT count(*) FROM witness WHERE queue = 'q_step_results' AND bytes > {KIB}");
    assert_eq!(site.count(&riding).await, 2);
    let largest = "SELECT max(bytes) FROM witness WHERE queue = 'q_step_results'";
    let largest = site.count(largest).await as usize;
    assert!(
        (INLINE_MAX..INLINE_MAX + FRAME).contains(&largest),
        "a message of {largest} bytes"
    );
}

#[tokio::test]
async fn results_of_any_size_arrive_as_they_were_in_direct_mode() {
    let site = pass_on(Mode::Direct, &[KIB, 100 * KIB, RESULT_MAX]).await;
    let reports = "SELECT count(*) FROM witness WHERE queue = 'q_step_results'";
    assert_eq!(site.count(reports).await, 0);
}

/// The program as it is shipped: its limits and their message are what users meet.
#[tokio::test]
async fn a_result_over_the_limit_fails_its_step_alone_and_says_what_to_do() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker().await;
    let client = &orchestrator.client;
    // `{"payload":""}` is 14 bytes.
    let payload = |name: &str, bytes: usize| {
        format!(
            "name: {name}, handler_class: Bench::Payload, handler_config: {{bytes: {}}}",
            bytes - 14
        )
    };
    let steps = [
        payload("fits", RESULT_MAX),
        payload("exceeds", RESULT_MAX + 1),
        "name: after_fits, depends_on_step: fits, handler_class: Bench::Noop".to_owned(),
        "name: after_exceeds, depends_on_step: exceeds, handler_class: Bench::Noop".to_owned(),
    ];
    register(
        client,
        &template("border", &steps.each_ref().map(String::as_str)),
    )
    .await;
    let task = submit(client, "it/border", json!({})).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    let expected = [
        ("fits", State::Complete),
        ("exceeds", State::Error),
        ("after_fits", State::Complete),
        ("after_exceeds", State::Pending),
    ];
    assert_eq!(
        states(client, task).await,
        expected.map(|(name, state)| (name.to_owned(), state))
    );
    let exceeds = step(client, task, "exceeds").await;
    assert_eq!(failure_kinds(&exceeds), [(1, "permanent")]);
    let told = json!({
        "error": "the handler's results cannot be stored: 5242881 bytes of JSON, more than the 5242880 \
                  allowed; return a reference to data kept elsewhere, or raise engine.result_max_bytes",
        "error_class": "Tasker::UnstorableResults",
        "error_code": "json_too_large",
        "backtrace": "",
    });
    assert_eq!(exceeds.results, told);
    site.assert_sound().await;
}

#[tokio::test]
async fn an_error_that_cannot_be_stored_as_it_is_harms_no_other_step() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    let names = ["nul", "deep", "large", "long"];
    let mut steps = names
        .map(|name| format!("name: {name}, handler_class: It::Hostile"))
        .to_vec();
    steps.push("name: fine, handler_class: It::Digest".to_owned());
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    register(client, &template("hostile", &steps)).await;
    watch_queues(&site).await;
    let task = submit(client, "it/hostile", json!({})).await;
    let _worker = worker(&site, Mode::Queued).await;
    assert_eq!(ended(client, task).await.state, State::Error);
    assert_eq!(step(client, task, "fine").await.state, State::Complete);
    for name in names {
        let failed = step(client, task, name).await;
        assert_eq!(failure_kinds(&failed), [(1, "permanent")], "{name}");
        let told = &failed.results;
        let kept = match name {
            "nul" => told["error"] == "no \u{FFFD} here" && told["error_class"] == "It",
            "deep" => told["error_context"].to_string().contains("nested deeper"),
            "large" => told["backtrace"].to_string().contains("cut"),
            _ => told["error"].as_str().unwrap().ends_with("é (cut)"),
        };
        assert!(kept, "{name}: {told:.1000}");
    }
    let largest = site.count("SELECT max(bytes) FROM witness").await as usize;
    assert!(largest < 5 * ERROR_MAX, "a message of {largest} bytes");
    site.assert_sound().await;
}
