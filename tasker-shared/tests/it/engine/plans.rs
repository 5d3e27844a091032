//! What the hot path reads: no table is scanned, however small it was when the plans
//! were made.

use std::collections::BTreeMap;

use serde_json::json;
use tasker_shared::config::Audit;
use tasker_shared::store::submit::prepare;
use tasker_shared::store::{AdoptConnection, Claimed, Handed};

use super::adopt::handed;
use super::harness::{namespace, success, Engine, NAMESPACE};

const HOT_TABLES: &str = "
    'tasker_workflow_steps', 'tasker_workflow_step_edges', 'tasker_tasks',
    'tasker_workflow_step_transitions', 'tasker_task_transitions', 'task_runs', 'step_gates',
    'q_steps_tests'";

/// What has been read of the hot tables so far.
pub(super) struct Reads {
    /// Sequential scans by table.
    pub(super) scans: BTreeMap<String, i64>,
    /// Entries of their indexes.
    pub(super) entries: i64,
}

pub(super) async fn reads(engine: &Engine) -> Reads {
    let scans = format!(
        "SELECT relname, COALESCE(seq_scan, 0)::bigint FROM pg_stat_user_tables WHERE relname IN ({HOT_TABLES})"
    );
    let rows: Vec<(String, i64)> = sqlx::query_as(&scans)
        .fetch_all(engine.store.pool())
        .await
        .unwrap();
    let entries = format!(
        "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname IN ({HOT_TABLES})"
    );
    Reads {
        scans: rows.into_iter().collect(),
        entries: engine.count(&entries).await,
    }
}

/// Counters of a backend reach the view when it ends, or when it is told to hand
/// them over: the connections that did the work are closed, the pool's are told.
async fn settled(engine: &mut Engine) {
    let store = engine.store.clone();
    let namespace = super::harness::namespace();
    engine.claims = tasker_shared::store::ClaimConnection::open(&store, &namespace)
        .await
        .unwrap();
    engine.advances = tasker_shared::store::AdvanceConnection::open(&store)
        .await
        .unwrap();
    let mut pooled = Vec::new();
    for _ in 0..store.pool().size() {
        pooled.push(store.pool().acquire().await.unwrap());
    }
    for connection in &mut pooled {
        sqlx::query("SELECT pg_stat_force_next_flush()")
            .execute(&mut **connection)
            .await
            .unwrap();
    }
    drop(pooled);
    tasker_testkit::eventually("old backends to end", std::time::Duration::from_secs(10), || async {
        let old: i64 = engine
            .count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND (query LIKE '-- Applies the outcomes%' OR query LIKE '-- Takes over executions%') AND pid <> pg_backend_pid()")
            .await;
        (old == 0).then_some(())
    })
    .await;
}

/// Submits `tasks` tasks, runs them, and returns the index entries read for each
/// of their steps. Fails if a table is scanned meanwhile.
///
/// With `adopt` every execution goes over to somebody else before it is reported.
async fn cost_of(engine: &mut Engine, tasks: usize, adopt: bool) -> f64 {
    let mut batch = Vec::new();
    for _ in 0..tasks {
        let request = json!({"name": "shape", "namespace": NAMESPACE, "context": {"n": 1}});
        let request = serde_json::from_value(request).unwrap();
        batch.push(prepare(&engine.store, request, None).await.unwrap());
    }
    engine.submit_all(&batch).await;
    settled(engine).await;
    let before = reads(engine).await;
    let mut steps = 0;
    loop {
        let mut claimed = engine.claim(50).await;
        if claimed.is_empty() {
            break;
        }
        if adopt {
            claimed = adopted(engine, &claimed).await;
        }
        steps += claimed.len();
        let reports = claimed
            .iter()
            .map(|c| success(c.attempt, json!({})))
            .collect();
        engine.report(reports).await;
    }
    settled(engine).await;
    let after = reads(engine).await;
    assert_eq!(before.scans, after.scans, "a hot statement scanned a table");
    assert_eq!(steps, tasks * 5);
    (after.entries - before.entries) as f64 / steps as f64
}

#[tokio::test]
async fn plans_made_on_empty_tables_never_scan_grown_ones() {
    grow(Audit::Folded, false).await;
}

#[tokio::test]
async fn plans_of_live_audit_never_scan_grown_tables_either() {
    grow(Audit::Live, false).await;
}

#[tokio::test]
async fn plans_of_adoptions_never_scan_grown_tables_either() {
    grow(Audit::Folded, true).await;
}

async fn adopted(engine: &Engine, claimed: &[Claimed]) -> Vec<Claimed> {
    let handed: Vec<Handed> = claimed.iter().map(|c| handed(c.attempt)).collect();
    // A connection for each: its counters are seen when it has ended.
    let mut connection = AdoptConnection::open(&engine.store).await.unwrap();
    let claim = connection.adopt(&namespace(), &handed).await.unwrap();
    claim.steps
}

async fn grow(audit: Audit, adopt: bool) {
    let mut engine = Engine::with(|config| config.engine.audit = audit).await;
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
    let small = cost_of(&mut engine, 20, adopt).await;
    for _ in 0..20 {
        cost_of(&mut engine, 50, adopt).await;
    }
    sqlx::query("VACUUM ANALYZE")
        .execute(engine.store.pool())
        .await
        .unwrap();
    let grown = cost_of(&mut engine, 20, adopt).await;
    // A full walk over an index is as bad as a scan, and no scan to the counters.
    assert!(
        grown < small * 2.0,
        "{small} index entries a step before, {grown} after growth"
    );
    engine.verify().await;
}
