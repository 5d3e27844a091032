//! What the hot path costs: no table is scanned, however small it was when the
//! plans were made, and the number of commits is fixed.

use std::collections::BTreeMap;

use serde_json::json;
use tasker_shared::store::submit::{prepare, submit};

use super::harness::{success, Engine, NAMESPACE};

const HOT_TABLES: &str = "
    SELECT relname, COALESCE(seq_scan, 0)::bigint
      FROM pg_stat_user_tables
     WHERE relname IN ('tasker_workflow_steps', 'tasker_workflow_step_edges', 'tasker_tasks',
                       'tasker_workflow_step_transitions', 'tasker_task_transitions',
                       'task_runs', 'step_gates', 'q_steps_tests')";

async fn scans(engine: &Engine) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(HOT_TABLES)
        .fetch_all(engine.store.pool())
        .await
        .unwrap();
    rows.into_iter().collect()
}

/// Counters of a backend reach the view when it is idle and asked to flush, or
/// when it ends: the connections that did the work are closed first.
async fn settled(engine: &mut Engine) {
    let store = engine.store.clone();
    let namespace = super::harness::namespace();
    engine.claims = tasker_shared::store::ClaimConnection::open(&store, &namespace)
        .await
        .unwrap();
    engine.advances = tasker_shared::store::AdvanceConnection::open(&store)
        .await
        .unwrap();
    tasker_testkit::eventually("old backends to end", std::time::Duration::from_secs(10), || async {
        let old: i64 = engine
            .count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '-- Applies the outcomes%' AND pid <> pg_backend_pid()")
            .await;
        (old == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn plans_made_on_empty_tables_never_scan_grown_ones() {
    let mut engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[
        ("a", &[]),
        ("b", &["a"]),
        ("c", &["a"]),
        ("d", &["b", "c"]),
        ("e", &["d"]),
    ];
    // The statements are planned here, with next to nothing in the tables.
    engine.submit("shape", steps).await;
    engine.run_to_the_end().await;
    let mut batch = Vec::new();
    for _ in 0..300 {
        let request = json!({"name": "shape", "namespace": NAMESPACE, "context": {"n": 1}});
        batch.push(
            prepare(
                &engine.store,
                serde_json::from_value(request).unwrap(),
                None,
            )
            .await
            .unwrap(),
        );
    }
    submit(&engine.store, batch).await.unwrap();
    sqlx::query("ANALYZE")
        .execute(engine.store.pool())
        .await
        .unwrap();
    settled(&mut engine).await;
    engine.submit_again("shape").await;
    let before = scans(&engine).await;
    for _ in 0..20 {
        let claimed = engine.claim(50).await;
        engine.claims.inputs(&claimed).await.unwrap();
        let reports = claimed
            .iter()
            .map(|c| success(c.attempt, json!({})))
            .collect();
        engine.report(reports).await;
    }
    settled(&mut engine).await;
    let after = scans(&engine).await;
    assert_eq!(before, after, "a hot statement scanned a table");
    engine.run_to_the_end().await;
    engine.verify().await;
}

#[tokio::test]
async fn a_batch_of_outcomes_is_one_commit() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    for _ in 0..49 {
        engine.submit_again("one").await;
    }
    let claimed = engine.claim(50).await;
    assert_eq!(claimed.len(), 50);
    let reports = claimed
        .iter()
        .map(|c| success(c.attempt, json!({})))
        .collect();
    assert_eq!(engine.report(reports).await.finished.len(), 50);
    for table in [
        "tasker_workflow_steps",
        "tasker_workflow_step_transitions",
        "tasker.task_runs",
    ] {
        let transactions = format!("SELECT count(DISTINCT xmin::text) FROM {table}");
        assert_eq!(engine.count(&transactions).await, 1, "{table}");
    }
    assert_eq!(
        engine
            .count("SELECT count(*) FROM pgmq.q_steps_tests")
            .await,
        0
    );
    engine.verify().await;
}
