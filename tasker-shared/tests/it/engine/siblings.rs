//! The steps of a task as a running handler may read them.

use serde_json::json;
use tasker_shared::domain::{State, StepError};
use tasker_shared::store::read::{task_steps, TaskStep};
use tasker_shared::store::submit::prepare;

use super::harness::{Engine, NAMESPACE};

const DIAMOND: &[(&str, &[&str])] = &[
    ("start", &[]),
    ("left", &["start"]),
    ("right", &["start"]),
    ("join", &["left", "right"]),
];

fn ids(steps: &[TaskStep], names: &[&str]) -> Vec<i64> {
    let mut ids: Vec<i64> = names
        .iter()
        .map(|name| steps.iter().find(|s| s.name == *name).unwrap().step_id)
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn siblings_come_in_template_order_with_state_results_and_parents() {
    let mut engine = Engine::new().await;
    let task = engine.submit("diamond", DIAMOND).await.task_id;
    let start = engine.claim_one().await;
    engine.succeed(start, json!({"n": 7})).await;
    let running = engine.claim_one().await;
    let failed = engine.claim_one().await;
    engine.fail(failed, StepError::permanent("no")).await;
    let steps = task_steps(&engine.store, task).await.unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["start", "left", "right", "join"]);
    let of = |id: i64| steps.iter().find(|step| step.step_id == id).unwrap();
    assert_eq!(steps[0].results, json!({"n": 7}));
    assert_eq!(steps[0].inputs, json!({"n": 1}));
    assert_eq!((steps[0].state, steps[0].attempts), (State::Complete, 1));
    assert!(steps[0].processed_at.is_some());
    assert_eq!(of(running.step_id).state, State::InProgress);
    let before = (
        of(running.step_id).attempts,
        of(running.step_id).last_attempted_at,
    );
    assert_eq!(before, (0, None));
    assert_eq!(of(failed.step_id).state, State::Error);
    assert_eq!(of(failed.step_id).results["error"], "no");
    assert_eq!(steps[3].state, State::Pending);
    assert_eq!(steps[3].parent_ids, ids(&steps, &["left", "right"]));
    assert_eq!(steps[1].parent_ids, ids(&steps, &["start"]));
    assert!(task_steps(&engine.store, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_running_attempt_does_not_count_yet_and_the_one_before_has_its_end() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", &DIAMOND[..1]).await.task_id;
    let first = engine.claim_one().await;
    engine.fail(first, StepError::retryable("busy")).await;
    engine.make_due().await;
    engine.sweep().await;
    engine.claim_one().await;
    let step = task_steps(&engine.store, task).await.unwrap().remove(0);
    let failed_at: chrono::NaiveDateTime =
        sqlx::query_scalar("SELECT failed_at FROM tasker.step_failures")
            .fetch_one(engine.store.pool())
            .await
            .unwrap();
    assert_eq!((step.state, step.attempts), (State::InProgress, 1));
    assert_eq!(step.last_attempted_at, Some(failed_at.and_utc()));
}

#[tokio::test]
async fn siblings_are_read_by_index_however_many_tasks_there_are() {
    let engine = Engine::new().await;
    let task = engine.submit("diamond", DIAMOND).await.task_id;
    let mut tasks = Vec::new();
    for _ in 0..500 {
        let request = json!({"name": "diamond", "namespace": NAMESPACE, "context": {}});
        let request = serde_json::from_value(request).unwrap();
        tasks.push(prepare(&engine.store, request, None).await.unwrap());
    }
    engine.submit_all(&tasks).await;
    let mut connection = engine.store.pool().acquire().await.unwrap();
    sqlx::query("ANALYZE")
        .execute(&mut *connection)
        .await
        .unwrap();
    drop(connection);
    let scans = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables
                  WHERE relname IN ('tasker_workflow_steps', 'tasker_workflow_step_edges', 'task_runs')";
    let flushed = || async {
        let mut pooled = Vec::new();
        for _ in 0..engine.store.pool().size() {
            pooled.push(engine.store.pool().acquire().await.unwrap());
        }
        for connection in &mut pooled {
            sqlx::query("SELECT pg_stat_force_next_flush()")
                .execute(&mut **connection)
                .await
                .unwrap();
        }
    };
    flushed().await;
    let before = engine.count(scans).await;
    // More often than a plan is made for its parameters alone.
    for _ in 0..10 {
        assert_eq!(task_steps(&engine.store, task).await.unwrap().len(), 4);
    }
    flushed().await;
    assert_eq!(engine.count(scans).await, before);
}
