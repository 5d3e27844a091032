//! What handlers store besides results, and what a hook reads of a task.

use std::time::Duration;

use serde_json::{json, Value};
use tasker_shared::domain::{State, StepError};
use tasker_shared::store::operate::{cancel_step, retry_task};
use tasker_shared::store::read::{task_row, task_steps, TaskRow};
use tasker_shared::store::records::{
    annotate, annotations, make_annotation_type, save_context, save_inputs, AnnotationType, Fence,
    RecordError, TypeMade,
};
use tasker_shared::store::{begin, Attempt, Store};
use tasker_shared::wire::OperatorRequest;
use tasker_testkit::eventually;

use super::harness::Engine;

const CHAIN: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];
const FORK: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"])];

fn fence(attempt: Attempt) -> Fence {
    Fence {
        step_id: attempt.step_id,
        attempt: attempt.attempt,
        message_id: attempt.message_id,
        lease_token: attempt.lease_token,
    }
}

async fn row(store: &Store, task: i64) -> TaskRow {
    task_row(store, task).await.unwrap().unwrap()
}

fn problem(result: Result<(), RecordError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_saved_context_is_the_one_of_steps_claimed_later() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let before = row(&engine.store, task).await;
    let a = engine.claim_one().await;
    let context = json!({"n": 2, "more": [null, "é"]});
    save_context(&engine.store, task, &context, Some(&fence(a)))
        .await
        .unwrap();
    engine.succeed(a, json!({})).await;
    let claim = engine.claims.claim(1).await.unwrap();
    assert_eq!(claim.contexts[&task], context);
    let after = row(&engine.store, task).await;
    assert!(after.updated_at > before.updated_at);
    assert_eq!(after.created_at, before.created_at);
    engine.verify().await;
}

#[tokio::test]
async fn saved_inputs_are_those_of_the_next_attempt() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    save_inputs(&engine.store, task, &json!({"page": 7}), &fence(a))
        .await
        .unwrap();
    engine.fail(a, StepError::retryable("busy")).await;
    engine.make_due().await;
    engine.sweep().await;
    let again = engine.claim(1).await.remove(0);
    assert_eq!(again.inputs, json!({"page": 7}));
    engine.verify().await;
}

#[tokio::test]
async fn an_attempt_that_is_over_stores_nothing() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let lost = engine.claim_one().await;
    engine.expire(lost).await;
    engine.sweep().await;
    engine.make_due().await;
    engine.sweep().await;
    let taken_over = engine.claim_one().await;
    let cancelled = engine.submit_again("chain").await.task_id;
    let other = engine.claim_one().await;
    let by = OperatorRequest::default();
    cancel_step(&engine.store, cancelled, other.step_id, &by)
        .await
        .unwrap();
    let another_token = Attempt {
        lease_token: taken_over.lease_token + 1,
        ..taken_over
    };
    for (task, attempt) in [(task, lost), (cancelled, other), (task, another_token)] {
        let stale = fence(attempt);
        let saved = save_context(&engine.store, task, &json!({}), Some(&stale)).await;
        assert!(matches!(saved, Err(RecordError::Stale)), "{saved:?}");
        let saved = save_inputs(&engine.store, task, &json!({}), &stale).await;
        assert!(matches!(saved, Err(RecordError::Stale)), "{saved:?}");
        assert_eq!(row(&engine.store, task).await.context, json!({"n": 1}));
    }
    engine.succeed(taken_over, json!({})).await;
    let late = save_context(&engine.store, task, &json!({}), Some(&fence(taken_over))).await;
    assert!(matches!(late, Err(RecordError::Stale)), "{late:?}");
    engine.verify().await;
}

#[tokio::test]
async fn a_fence_that_waited_for_the_lock_sees_what_happened_meanwhile() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    let mut blocker = begin(engine.store.pool()).await.unwrap();
    sqlx::query("SELECT 1 FROM tasker.task_runs WHERE task_id = $1 FOR NO KEY UPDATE")
        .bind(task)
        .execute(&mut *blocker)
        .await
        .unwrap();
    let store = engine.store.clone();
    let saving = tokio::spawn(async move {
        save_context(&store, task, &json!({"late": true}), Some(&fence(a))).await
    });
    let waits = || async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE wait_event_type = 'Lock' AND datname = current_database()";
        (engine.count(waiting).await > 0).then_some(())
    };
    eventually(
        "the save waits for the lock",
        Duration::from_secs(30),
        waits,
    )
    .await;
    sqlx::query("UPDATE tasker_workflow_steps SET in_process = false WHERE workflow_step_id = $1")
        .bind(a.step_id)
        .execute(&mut *blocker)
        .await
        .unwrap();
    blocker.commit().await.unwrap();
    let saved = saving.await.unwrap();
    assert!(matches!(saved, Err(RecordError::Stale)), "{saved:?}");
}

#[tokio::test]
async fn what_cannot_be_a_context_is_refused_by_name_before_anything_is_stored() {
    let mut engine = Engine::with(|config| config.engine.context_max_bytes = 1000).await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let a = engine.claim_one().await;
    let deep = (0..80).fold(json!(1), |inner, _| json!({ "x": inner }));
    for (context, said) in [
        (json!([1]), "context: is not a JSON object; send an object"),
        (
            json!({"a": "x".repeat(1000)}),
            "context: 1008 bytes of JSON, more than the 1000 allowed",
        ),
        (json!({"a": "\0"}), "context: "),
        (deep, "context: at /x/x/x/"),
    ] {
        let refused = problem(save_context(&engine.store, task, &context, None).await);
        assert!(refused.starts_with(said), "{refused}");
        assert!(refused.contains("; "), "no remedy: {refused}");
    }
    let inputs = json!({"a": "\0"});
    let refused = problem(save_inputs(&engine.store, task, &inputs, &fence(a)).await);
    assert!(refused.starts_with("inputs: "), "{refused}");
    let nobody = problem(save_context(&engine.store, 0, &json!({}), None).await);
    assert_eq!(nobody, "there is no such task: nothing was stored");
    assert_eq!(row(&engine.store, task).await.context, json!({"n": 1}));
}

#[tokio::test]
async fn a_task_that_has_ended_can_still_be_given_a_context_from_outside() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    engine.run_to_the_end().await;
    save_context(&engine.store, task, &json!({"seen": true}), None)
        .await
        .unwrap();
    let row = row(&engine.store, task).await;
    assert_eq!(
        (row.state, row.context),
        (State::Complete, json!({"seen": true}))
    );
    engine.verify().await;
}

#[tokio::test]
async fn a_task_of_the_rails_engine_is_left_to_it() {
    let engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    sqlx::query("DELETE FROM tasker.task_runs WHERE task_id = $1")
        .bind(task)
        .execute(engine.store.pool())
        .await
        .unwrap();
    let saved = save_context(&engine.store, task, &json!({}), None).await;
    assert!(matches!(saved, Err(RecordError::NotDriven)), "{saved:?}");
    assert_eq!(row(&engine.store, task).await.only_sink, None);
}

#[tokio::test]
async fn a_hook_learns_where_the_graph_ends_and_when_the_run_began() {
    let mut engine = Engine::new().await;
    let chain = engine.submit("chain", CHAIN).await.task_id;
    let fork = engine.submit("fork", FORK).await.task_id;
    assert_eq!(row(&engine.store, fork).await.only_sink, None);
    let begun = row(&engine.store, chain).await;
    assert_eq!(begun.only_sink.as_deref(), Some("b"));
    assert_eq!(begun.run_started_at, Some(begun.created_at));
    let a = engine.claim_one().await;
    engine.succeed(a, json!({})).await;
    let all = engine.claim(10).await;
    let b = all.iter().find(|step| step.attempt.task_id == chain);
    engine
        .fail(b.unwrap().attempt, StepError::permanent("no"))
        .await;
    retry_task(&engine.store, chain, &OperatorRequest::default())
        .await
        .unwrap();
    let again = row(&engine.store, chain).await;
    assert_eq!(again.state, State::InProgress);
    let steps = task_steps(&engine.store, chain).await.unwrap();
    assert!(again.run_started_at > steps[0].processed_at);
    assert!(task_row(&engine.store, 0).await.unwrap().is_none());
}

async fn make(store: &Store, name: &str, description: Option<&str>) -> AnnotationType {
    match make_annotation_type(store, name, description)
        .await
        .unwrap()
    {
        TypeMade::New(made) | TypeMade::Present(made) => made,
    }
}

#[tokio::test]
async fn however_many_make_a_type_at_once_there_is_one() {
    let engine = Engine::new().await;
    let mut making = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = engine.store.clone();
        making.spawn(async move { make_annotation_type(&store, "audit", Some("why")).await });
    }
    let made: Vec<TypeMade> = making
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let new = made.iter().filter(|made| matches!(made, TypeMade::New(_)));
    assert_eq!(new.count(), 1);
    let ids: std::collections::BTreeSet<i32> = made
        .iter()
        .map(|made| match made {
            TypeMade::New(one) | TypeMade::Present(one) => one.annotation_type_id,
        })
        .collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn annotations_are_stored_with_their_type_and_come_back_in_order() {
    let engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let audit = make(&engine.store, "audit", Some("why")).await;
    let review = make(&engine.store, "review", None).await;
    let written = [
        (&audit, json!({"step": "a", "ok": true})),
        (&review, Value::Null),
        (&audit, json!([1.5, "é"])),
    ];
    for (kind, note) in &written {
        let made = annotate(&engine.store, task, kind.annotation_type_id, note)
            .await
            .unwrap();
        assert_eq!((&made.annotation_type, &made.annotation), (*kind, note));
    }
    let read = annotations(&engine.store, task).await.unwrap();
    let read: Vec<_> = read
        .iter()
        .map(|one| (&one.annotation_type, one.annotation.clone()))
        .collect();
    assert_eq!(read, written);
    engine.verify().await;
}

#[tokio::test]
async fn annotations_that_cannot_be_are_refused_by_name() {
    let engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let audit = make(&engine.store, "audit", None).await.annotation_type_id;
    let store = &engine.store;
    let refused = |result: Result<_, RecordError>, said: &str| {
        let problem = result.err().map(|error| error.to_string());
        let problem = problem.expect("it is refused");
        assert!(problem.starts_with(said), "{problem}");
    };
    for (name, said) in [
        ("", "name: has 0 characters; give 1 to 64"),
        (&*"x".repeat(65), "name: has 65 characters"),
        ("a\0b", "name: contains the character U+0000"),
    ] {
        let made = make_annotation_type(store, name, None).await;
        refused(made.map(drop), said);
    }
    let made = make_annotation_type(store, "long", Some(&"x".repeat(256))).await;
    refused(made.map(drop), "description: has 256 characters");
    let nul = json!({"a": "\0"});
    refused(
        annotate(store, task, audit, &nul).await.map(drop),
        "annotation: ",
    );
    let none = json!(1);
    refused(
        annotate(store, 0, audit, &none).await.map(drop),
        "there is no such task",
    );
    refused(
        annotate(store, task, 0, &none).await.map(drop),
        "there is no such annotation type",
    );
    let counted = "SELECT (SELECT count(*) FROM tasker_task_annotations)
                        + (SELECT count(*) FROM tasker_annotation_types)";
    assert_eq!(engine.count(counted).await, 1);
}
