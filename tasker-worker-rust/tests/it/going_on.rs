//! Direct mode: a worker starts the child of the step it has just ended, if it can run
//! it, and leaves it to others if it cannot.

use std::sync::Arc;

use serde_json::{json, Value};
use tasker_shared::config::{Config, Mode, Secret};
use tasker_shared::store::Store;
use tasker_worker_foundation::{HandlerRegistry, RustDispatch, StepContext, Worker};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::site::{complete, step, submit, Site};
use crate::templates::{register, template};

/// What the step was given, and who ran it.
fn told(step: &StepContext, worker: &str) -> Value {
    let parents = step.results().iter();
    let parents: Value = parents
        .map(|(name, results)| (name.clone(), results["step"].clone()))
        .collect();
    json!({
        "step": step.step_name(),
        "worker": worker,
        "parents": parents,
        "context": step.context(),
        "inputs": step.inputs(),
    })
}

/// A worker with handlers of these classes, which ends with the test.
async fn worker(site: &Site, name: &'static str, classes: &[&str]) -> DropGuard {
    let mut config = Config::default();
    config.database.url = Some(Secret::new(site.url.clone()));
    config.engine.mode = Mode::Direct;
    config.worker.bind = "127.0.0.1:0".parse().unwrap();
    let handlers = classes.iter().fold(HandlerRegistry::new(), |all, class| {
        all.register_fn(*class, move |step| async move { Ok(told(&step, name)) })
    });
    let store = Store::open(&config).await.unwrap();
    let shutdown = CancellationToken::new();
    let dispatch = Arc::new(RustDispatch::new(handlers));
    Worker::start(&config, store, dispatch, shutdown.clone())
        .await
        .unwrap();
    shutdown.drop_guard()
}

/// Keeps the step and the lease token with which each message begins.
async fn watch_beginnings(site: &Site) {
    let sql = "
        CREATE TABLE beginning (step_id bigint, token integer);
        CREATE FUNCTION beginning() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.beginning VALUES ((NEW.message->>'step_id')::bigint, NEW.read_ct);
            RETURN NULL;
        END $$;
        CREATE TRIGGER beginning AFTER INSERT ON pgmq.q_steps_it FOR EACH ROW EXECUTE FUNCTION beginning();";
    sqlx::raw_sql(sql).execute(site.pool()).await.unwrap();
}

fn chain(classes: [&str; 4]) -> String {
    let steps: Vec<String> = classes
        .iter()
        .enumerate()
        .map(|(n, class)| {
            let parent = match n {
                0 => String::new(),
                n => format!(", depends_on_step: s{}", n - 1),
            };
            format!("name: s{n}, handler_class: {class}{parent}")
        })
        .collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    template("chain", &steps)
}

/// Runs a chain of `classes`; how many of its steps began as taken, after every step
/// has seen what a claimed one sees.
async fn begun_as_taken(site: &Site, classes: [&str; 4], workers: [&str; 4]) -> i64 {
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    register(client, &chain(classes)).await;
    watch_beginnings(site).await;
    let task = submit(client, "it/chain", json!({"order": 7})).await;
    complete(client, &[task]).await;
    for (n, worker) in workers.into_iter().enumerate() {
        let name = format!("s{n}");
        let step = step(client, task, &name).await;
        let parents = match n {
            0 => json!({}),
            n => {
                let parent = format!("s{}", n - 1);
                json!({ parent.clone(): parent })
            }
        };
        let expected = json!({
            "step": name,
            "worker": worker,
            "parents": parents,
            "context": {"order": 7},
            "inputs": {"order": 7},
        });
        assert_eq!((step.results, step.attempts), (expected, 1));
    }
    site.assert_sound().await;
    site.count("SELECT sum(token) FROM beginning").await
}

#[tokio::test]
async fn a_worker_goes_on_with_a_chain_that_it_can_run() {
    let site = Site::new().await;
    let _worker = worker(&site, "a", &["It::A"]).await;
    assert_eq!(begun_as_taken(&site, ["It::A"; 4], ["a"; 4]).await, 3);
}

#[tokio::test]
async fn a_step_for_somebody_else_is_left_to_them() {
    let site = Site::new().await;
    let _a = worker(&site, "a", &["It::A"]).await;
    let _b = worker(&site, "b", &["It::B"]).await;
    let classes = ["It::A", "It::A", "It::B", "It::B"];
    let taken = begun_as_taken(&site, classes, ["a", "a", "b", "b"]).await;
    assert_eq!(taken, 2, "one after each worker's first");
}
