//! What a reader of events reads of the tables.

use std::time::Duration;

use tasker_testkit::eventually;

use super::{feed, read};
use crate::engine::harness::Engine;
use crate::engine::plans::reads;

/// Index entries read for the events of five new tasks.
async fn cost(engine: &mut Engine) -> i64 {
    for _ in 0..5 {
        engine.submit_again("chain").await;
    }
    engine.run_to_the_end().await;
    // Counters of a backend reach the view when it ends.
    let flush = "SELECT pg_stat_force_next_flush()";
    for _ in 0..engine.store.pool().size() {
        sqlx::query(flush)
            .execute(engine.store.pool())
            .await
            .unwrap();
    }
    let mut feed = feed(engine, |_| {}).await;
    let before = reads(engine).await;
    assert!(!read(&mut feed).await.is_empty());
    feed.release().await.unwrap();
    drop(feed);
    eventually("the reader's backend ends", Duration::from_secs(30), || async {
        let there = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND query LIKE 'UPDATE tasker.event_cursors SET lease_ends_at = NULL WHERE%' AND pid <> pg_backend_pid()";
        (engine.count(there).await == 0).then_some(())
    })
    .await;
    let after = reads(engine).await;
    assert_eq!(before.scans, after.scans, "a table was scanned");
    after.entries - before.entries
}

#[tokio::test]
async fn reading_costs_no_more_when_history_has_grown() {
    let mut engine = Engine::new().await;
    engine
        .submit("chain", &[("a", &[]), ("b", &["a"]), ("c", &["b"])])
        .await;
    engine.run_to_the_end().await;
    read(&mut feed(&engine, |_| {}).await).await;
    sqlx::query("UPDATE tasker.event_cursors SET lease_ends_at = NULL")
        .execute(engine.store.pool())
        .await
        .unwrap();
    let small = cost(&mut engine).await;
    for _ in 0..500 {
        engine.submit_again("chain").await;
    }
    engine.run_to_the_end().await;
    let mut all = feed(&engine, |_| {}).await;
    read(&mut all).await;
    all.release().await.unwrap();
    drop(all);
    sqlx::query("VACUUM ANALYZE")
        .execute(engine.store.pool())
        .await
        .unwrap();
    let grown = cost(&mut engine).await;
    assert!(
        grown < small * 2,
        "{small} index entries before, {grown} after growth"
    );
}
