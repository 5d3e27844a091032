//! Many at once: joins, the results queue, cancelled beginnings.

use std::time::Duration;

use serde_json::{json, Value};
use tasker_shared::domain::State;
use tasker_shared::store::{begin, AdvanceConnection, ReportConnection, ResultConnection};

use super::harness::{namespace, success, Engine};
use super::shapes::fan;

#[tokio::test]
async fn however_many_parents_finish_at_once_the_join_is_enqueued_once() {
    let mut engine = Engine::new().await;
    let template = super::harness::template_of("fan", &fan(40), "");
    tasker_shared::store::templates::register(&engine.store, &template)
        .await
        .unwrap();
    for _ in 0..10 {
        let task = engine.submit_again("fan").await;
        let start = engine.claim_one().await;
        engine.succeed(start, json!({})).await;
        let claimed = engine.claim(100).await;
        assert_eq!(claimed.len(), 40);
        let mut running = Vec::new();
        for part in claimed.chunks(10) {
            let reports: Vec<_> = part.iter().map(|c| success(c.attempt, json!({}))).collect();
            let mut connection = AdvanceConnection::open(&engine.store).await.unwrap();
            running.push(tokio::spawn(async move {
                let mut done = connection.advance(reports).await.unwrap();
                done.remove(&namespace()).unwrap().enqueued
            }));
        }
        let mut enqueued = 0;
        for part in running {
            enqueued += part.await.unwrap();
        }
        assert_eq!(enqueued, 1);
        let join = engine.claim(10).await;
        assert_eq!(join.len(), 1);
        engine.succeed(join[0].attempt, json!({})).await;
        assert_eq!(engine.state(task.task_id).await, State::Complete);
    }
    engine.verify().await;
}

#[tokio::test]
async fn reports_cross_the_results_queue_whatever_their_size() {
    let mut engine = Engine::with(|config| config.engine.results_inline_max_bytes = 1024).await;
    let task = engine.submit("pair", &[("a", &[]), ("b", &[])]).await;
    let claimed = engine.claim(2).await;
    let large: Value = json!({"text": "x".repeat(100_000)});
    let mut reports = ReportConnection::open(&engine.store).await.unwrap();
    reports
        .send(&[
            success(claimed[0].attempt, large.clone()),
            success(claimed[1].attempt, json!(1)),
        ])
        .await
        .unwrap();
    let in_queue = engine
        .count("SELECT max(pg_column_size(message))::bigint FROM pgmq.q_step_results")
        .await;
    assert!(
        in_queue < 2_000,
        "a large result rides in the message: {in_queue} bytes"
    );
    let mut results = ResultConnection::open(&engine.store).await.unwrap();
    let taken = results.process().await.unwrap();
    assert_eq!((taken.messages, taken.reports, taken.unreadable), (1, 2, 0));
    assert_eq!(results.process().await.unwrap().messages, 0);
    let steps = engine.steps(task.task_id).await;
    let first = engine.name_of(&claimed[0].attempt).await;
    assert_eq!(steps[&first].results, large);
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn a_message_that_is_no_batch_of_reports_is_kept_aside() {
    let engine = Engine::new().await;
    // The second is deeper than we read JSON, though the database stores it.
    let deep = format!("{{\"reports\": {}{}}}", "[".repeat(500), "]".repeat(500));
    for message in ["{\"hello\": 1}", &deep] {
        sqlx::query("SELECT pgmq.send('step_results', $1::jsonb)")
            .bind(sqlx::types::Json(
                serde_json::value::RawValue::from_string(message.to_owned()).unwrap(),
            ))
            .execute(engine.store.pool())
            .await
            .unwrap();
    }
    let mut results = ResultConnection::open(&engine.store).await.unwrap();
    let taken = results.process().await.unwrap();
    assert_eq!((taken.messages, taken.unreadable), (2, 2));
    assert_eq!(
        engine
            .count("SELECT count(*) FROM tasker.unreadable_messages")
            .await,
        2
    );
    assert_eq!(
        engine
            .count("SELECT count(*) FROM pgmq.q_step_results")
            .await,
        0
    );
}

#[tokio::test]
async fn consumers_killed_inside_their_transaction_lose_nothing() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let mut reports = ReportConnection::open(&engine.store).await.unwrap();
    reports.send(&[success(attempt, json!({}))]).await.unwrap();
    // Another session holds the task's lock, so the consumer waits in mid-way.
    let mut blocker = begin(engine.store.pool()).await.unwrap();
    sqlx::query("SELECT 1 FROM tasker.task_runs FOR UPDATE")
        .execute(&mut *blocker)
        .await
        .unwrap();
    let mut doomed = ResultConnection::open(&engine.store).await.unwrap();
    let waiting = tokio::spawn(async move { doomed.process().await.map(|taken| taken.reports) });
    tasker_testkit::eventually("the consumer to wait for the lock", Duration::from_secs(10), || async {
        let killed: Vec<bool> = sqlx::query_scalar(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- Applies the outcomes%'",
        )
        .fetch_all(engine.store.pool())
        .await
        .unwrap();
        killed.contains(&true).then_some(())
    })
    .await;
    assert!(waiting.await.unwrap().is_err());
    blocker.rollback().await.unwrap();
    let mut next = ResultConnection::open(&engine.store).await.unwrap();
    assert_eq!(next.process().await.unwrap().reports, 1);
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn a_cancelled_begin_never_swallows_the_next_borrowers_writes() {
    let engine = Engine::with(|config| config.database.pool_max_connections = 1).await;
    sqlx::query("CREATE TABLE canary (n integer)")
        .execute(engine.store.pool())
        .await
        .unwrap();
    for n in 0..50 {
        let pool = engine.store.pool().clone();
        let beginning = tokio::time::timeout(Duration::from_micros(50 * n), begin(&pool));
        drop(beginning.await);
        sqlx::query("INSERT INTO canary VALUES ($1)")
            .bind(n as i32)
            .execute(engine.store.pool())
            .await
            .unwrap();
    }
    let elsewhere = sqlx::PgPool::connect(engine.url()).await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM canary")
        .fetch_one(&elsewhere)
        .await
        .unwrap();
    assert_eq!(seen, 50);
}
