//! A handler that no worker has.

use serde_json::json;
use tasker_shared::domain::State;
use tasker_shared::wire::StepPhase;
use tasker_testkit::eventually;

use crate::site::{complete, step, submit, Site, PATIENCE};
use crate::templates::{register, template};
use crate::verbs::by_anna;

fn order(handler_class: &str) -> String {
    let ship = format!("name: ship, handler_class: {handler_class}");
    template(
        "order",
        &[
            &ship,
            "name: notify, depends_on_step: ship, handler_class: Bench::Noop",
        ],
    )
}

#[tokio::test]
async fn a_step_without_a_handler_is_explained_and_kept_until_somebody_acts() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    register(client, &order("Shop::Shipp")).await;
    let parked = submit(client, "it/order", json!({})).await;
    let nobody = client.explain(parked).await.unwrap();
    assert!(
        nobody.steps[0]
            .reason
            .contains("no live worker serves namespace it"),
        "{nobody:?}"
    );

    let _worker = site.worker().await;
    let probe = || async {
        let explanation = client.explain(parked).await.unwrap();
        (explanation.steps[0].phase == StepPhase::NoHandler).then_some(explanation)
    };
    let explanation = eventually("a worker has looked at the step", PATIENCE, probe).await;
    let ship = &explanation.steps[0];
    assert!(
        ship.reason
            .contains("no live worker of namespace it has a handler Shop::Shipp"),
        "{ship:?}"
    );
    assert_eq!(
        ship.remedy.as_deref(),
        Some("register Shop::Shipp in a worker that serves namespace it")
    );
    assert_eq!(explanation.steps[1].waiting_on, ["ship"]);
    assert_eq!(step(client, parked, "ship").await.attempts, 0);

    // The name put right: for new tasks only.
    register(client, &order("Bench::Noop")).await;
    let next = submit(client, "it/order", json!({})).await;
    complete(client, &[next]).await;
    let ship = step(client, parked, "ship").await;
    assert_eq!(
        (ship.handler_class.as_deref(), ship.state),
        (Some("Shop::Shipp"), State::Pending)
    );
    site.assert_sound().await;

    let cancelled = client.cancel_task(parked, &by_anna()).await.unwrap();
    assert_eq!(cancelled.state, State::Cancelled);
    assert_eq!(
        site.count("SELECT count(*) FROM tasker.step_delays").await,
        0
    );
    site.assert_sound().await;
}

#[tokio::test]
async fn a_step_without_a_handler_runs_once_a_worker_has_it() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    register(client, &order("Bench::Noop")).await;
    // It serves another namespace: as good as none.
    let _elsewhere = site.worker_with(&["worker.namespaces=other"]).await;
    let task = submit(client, "it/order", json!({})).await;
    let explanation = client.explain(task).await.unwrap();
    assert_eq!(explanation.steps[0].phase, StepPhase::Enqueued);
    assert!(
        explanation.steps[0]
            .reason
            .contains("no live worker serves namespace it"),
        "{explanation:?}"
    );
    let _worker = site.worker().await;
    complete(client, &[task]).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn a_worker_stays_out_of_namespaces_in_which_it_has_no_handler() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator().await;
    let client = &orchestrator.client;
    register(client, &order("Bench::Noop")).await;
    let foreign =
        "name: foreign\nnamespace_name: elsewhere\nversion: 1.0.0\ntask_handler_class: It::Task\n\
                   step_templates:\n  - {name: only, handler_class: Elsewhere::Only}\n";
    register(client, foreign).await;
    let _worker = site.worker().await;
    let task = submit(client, "elsewhere/foreign", json!({})).await;
    let own = submit(client, "it/order", json!({})).await;
    complete(client, &[own]).await;
    // Taken and parked, it would keep a worker that has the handler waiting.
    let explanation = client.explain(task).await.unwrap();
    assert_eq!(explanation.steps[0].phase, StepPhase::Enqueued);
    let remedy = explanation.steps[0].remedy.as_deref().unwrap();
    assert!(
        remedy.contains("has the handler Elsewhere::Only"),
        "{remedy}"
    );
    assert_eq!(
        site.count("SELECT count(*) FROM tasker.workers WHERE namespaces = '{it}'")
            .await,
        1
    );
    site.assert_sound().await;
}
