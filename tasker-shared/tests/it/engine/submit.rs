//! Identity, priority, definitions.

use serde_json::json;
use tasker_shared::domain::State;
use tasker_shared::store::submit::{prepare, SubmitError, Submitted};
use tasker_shared::store::{read, templates};

use super::harness::{template, template_of, Engine, NAMESPACE};

#[tokio::test]
async fn the_same_key_makes_one_task_and_another_body_is_a_conflict() {
    let engine = Engine::new().await;
    let request = |n: i32| json!({"name": "warm_up", "namespace": NAMESPACE, "context": {"n": n}, "idempotency_key": "k-1"});
    let first = engine.request(request(1)).await;
    match engine.try_request(request(1)).await {
        Submitted::Duplicate(task) => assert_eq!(task.task_id, first.task_id),
        other => panic!("{other:?}"),
    }
    match engine.try_request(request(2)).await {
        Submitted::Conflict { task_id } => assert_eq!(task_id, first.task_id),
        other => panic!("{other:?}"),
    }
    assert_eq!(engine.count("SELECT count(*) FROM tasker_tasks").await, 1);
    assert_eq!(
        engine
            .count("SELECT count(*) FROM tasker_workflow_steps")
            .await,
        1
    );
    engine.verify().await;
}

#[tokio::test]
async fn duplicates_inside_one_batch_are_one_task() {
    let engine = Engine::new().await;
    let mut batch = Vec::new();
    for key in ["a", "b", "a", "b", "c"] {
        let request = json!({"name": "warm_up", "namespace": NAMESPACE, "context": {"n": 1}, "idempotency_key": key});
        let request = serde_json::from_value(request).unwrap();
        batch.push(prepare(&engine.store, request, None).await.unwrap());
    }
    let answers = engine.submit_all(&batch).await;
    let created = answers
        .iter()
        .filter(|a| matches!(a, Submitted::Created(_)))
        .count();
    assert_eq!((created, answers.len()), (3, 5));
    assert_eq!(engine.count("SELECT count(*) FROM tasker_tasks").await, 3);
    engine.verify().await;
}

#[tokio::test]
async fn the_hash_strategy_finds_equal_requests_of_one_minute() {
    let engine = Engine::with(|config| {
        config.engine.identity_strategy = tasker_shared::config::IdentityStrategy::Hash;
    })
    .await;
    let request = || json!({"name": "warm_up", "namespace": NAMESPACE, "context": {"n": 1}});
    let mut prepared = Vec::new();
    for _ in 0..2 {
        let request = serde_json::from_value(request()).unwrap();
        prepared.push(prepare(&engine.store, request, None).await.unwrap());
    }
    let same_minute = prepared[0].requested_at.format("%M").to_string()
        == prepared[1].requested_at.format("%M").to_string();
    assert_eq!(
        prepared[0].identity_hash == prepared[1].identity_hash,
        same_minute
    );
    assert_eq!(prepared[0].identity_hash.len(), 64);
}

#[tokio::test]
async fn the_time_and_the_bypassed_steps_of_a_request_are_stored_and_hashed() {
    let engine = Engine::with(|config| {
        config.engine.identity_strategy = tasker_shared::config::IdentityStrategy::Hash;
    })
    .await;
    let request = |at: &str, bypassed: &str| {
        json!({"name": "warm_up", "namespace": NAMESPACE, "context": {"n": 1},
        "requested_at": at, "bypass_steps": [bypassed]})
    };
    let first = engine.request(request("2024-01-02T03:04:05Z", "a")).await;
    assert_eq!(first.requested_at.to_rfc3339(), "2024-01-02T03:04:05+00:00");
    match engine
        .try_request(request("2024-01-02T03:04:59Z", "a"))
        .await
    {
        Submitted::Duplicate(task) => assert_eq!(task.task_id, first.task_id),
        other => panic!("{other:?}"),
    }
    engine.request(request("2024-01-02T03:05:00Z", "a")).await;
    engine.request(request("2024-01-02T03:04:05Z", "b")).await;
    let stored = "SELECT count(*) FROM tasker_tasks
                   WHERE requested_at = '2024-01-02 03:04:05' AND bypass_steps::text IN ('[\"a\"]', '[\"b\"]')";
    assert_eq!(engine.count(stored).await, 2);
    engine.verify().await;
}

#[tokio::test]
async fn a_higher_priority_is_claimed_first() {
    let mut engine = Engine::new().await;
    let mut by_priority = Vec::new();
    for priority in [0, -5, 100, 7, -100] {
        let request = json!({"name": "warm_up", "namespace": NAMESPACE, "context": {"n": 1}, "priority": priority});
        by_priority.push((priority, engine.request(request).await.task_id));
    }
    by_priority.sort_by_key(|(priority, _)| -priority);
    let claimed: Vec<i64> = engine
        .claim(10)
        .await
        .iter()
        .map(|c| c.attempt.task_id)
        .collect();
    assert_eq!(
        claimed,
        by_priority.iter().map(|(_, id)| *id).collect::<Vec<_>>()
    );
    // PGMQ's own functions still work on the queue.
    assert_eq!(
        engine
            .count("SELECT queue_length FROM pgmq.metrics('steps_tests')")
            .await,
        5
    );
}

#[tokio::test]
async fn a_running_task_keeps_the_definition_it_started_with() {
    let mut engine = Engine::new().await;
    let old = engine
        .submit("evolving", &[("a", &[]), ("b", &["a"])])
        .await;
    let changed = template("evolving", &[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    let registered = templates::register(&engine.store, &changed).await.unwrap();
    assert!(registered.created);
    let new = engine.submit_again("evolving").await;
    engine.run_to_the_end().await;
    assert_eq!(engine.steps(old.task_id).await.len(), 2);
    assert_eq!(engine.steps(new.task_id).await.len(), 3);
    assert_eq!(engine.state(old.task_id).await, State::Complete);
    let back = template("evolving", &[("a", &[]), ("b", &["a"])]);
    assert!(
        !templates::register(&engine.store, &back)
            .await
            .unwrap()
            .created
    );
    let third = engine.submit_again("evolving").await;
    assert_eq!(engine.steps(third.task_id).await.len(), 2);
    engine.verify().await;
}

#[tokio::test]
async fn a_step_that_nobody_has_described_is_described_by_its_name() {
    let engine = Engine::new().await;
    for (name, extra) in [("silent", ""), ("told", "description: Takes the money")] {
        let steps = [(format!("{name}_step"), Vec::new())];
        let template = template_of(name, &steps, extra);
        templates::register(&engine.store, &template).await.unwrap();
    }
    let described = "SELECT count(*) FROM tasker_named_steps WHERE (name, description) IN \
                     (('silent_step', 'silent_step'), ('told_step', 'Takes the money'))";
    assert_eq!(engine.count(described).await, 2);
}

#[tokio::test]
async fn refusals_name_every_field_at_fault() {
    let engine = Engine::new().await;
    let request = json!({"name": "no;such", "namespace": "UPPER", "context": [1], "priority": 1000,
        "idempotency_key": "ü", "tags": [""], "initiator": "x".repeat(200),
        "requested_at": "0000-01-01T00:00:00Z", "bypass_steps": ["a", ""]});
    let refused = prepare(
        &engine.store,
        serde_json::from_value(request).unwrap(),
        None,
    )
    .await;
    let Err(SubmitError::Fields(problems)) = refused else {
        panic!("expected field problems");
    };
    let mut fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "/bypass_steps/1",
            "/context",
            "/idempotency_key",
            "/initiator",
            "/name",
            "/namespace",
            "/priority",
            "/requested_at",
            "/tags/0"
        ]
    );
    let unknown =
        json!({"name": "warm_up", "namespace": NAMESPACE, "version": "9.9.9", "context": {}});
    let refused = prepare(
        &engine.store,
        serde_json::from_value(unknown).unwrap(),
        None,
    )
    .await;
    match refused {
        Err(SubmitError::UnknownTemplate { known_versions, .. }) => {
            assert_eq!(known_versions, ["1.0.0"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(engine.count("SELECT count(*) FROM tasker_tasks").await, 0);
}

#[tokio::test]
async fn a_template_sought_in_the_wrong_namespace_is_found_for_the_message() {
    let engine = Engine::new().await;
    let request = serde_json::from_value(json!({"name": "warm_up", "context": {}})).unwrap();
    match prepare(&engine.store, request, None).await {
        Err(SubmitError::UnknownTemplate { meant, .. }) => {
            assert_eq!(meant, [(NAMESPACE.to_owned(), "warm_up".to_owned())]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lists_page_without_gaps_and_filter() {
    let mut engine = Engine::new().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        let request =
            json!({"name": "warm_up", "namespace": NAMESPACE, "context": {"n": n}, "tags": [tag]});
        ids.push(engine.request(request).await.task_id);
    }
    ids.reverse();
    let mut filter = tasker_shared::wire::TaskFilter {
        limit: Some(3),
        ..Default::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = read::tasks(&engine.store, &filter).await.unwrap();
        seen.extend(page.tasks.iter().map(|t| t.task_id));
        let Some(cursor) = page.next_cursor else {
            break;
        };
        filter.cursor = Some(cursor);
    }
    assert_eq!(seen, ids);
    let odd = tasker_shared::wire::TaskFilter {
        tag: Some("odd".into()),
        ..Default::default()
    };
    assert_eq!(
        read::tasks(&engine.store, &odd).await.unwrap().tasks.len(),
        3
    );
    engine.run_to_the_end().await;
    let complete = tasker_shared::wire::TaskFilter {
        state: Some(State::Complete),
        ..Default::default()
    };
    assert_eq!(
        read::tasks(&engine.store, &complete)
            .await
            .unwrap()
            .tasks
            .len(),
        7
    );
    let nobody = tasker_shared::wire::TaskFilter {
        initiator: Some("nobody".into()),
        ..Default::default()
    };
    assert!(read::tasks(&engine.store, &nobody)
        .await
        .unwrap()
        .tasks
        .is_empty());
}

#[tokio::test]
async fn a_name_may_carry_its_namespace() {
    let engine = Engine::new().await;
    let task = engine
        .request(json!({"name": "tests/warm_up", "context": {"n": 1}}))
        .await;
    assert_eq!(
        (task.namespace.as_str(), task.name.as_str()),
        (NAMESPACE, "warm_up")
    );
    engine.verify().await;
}
