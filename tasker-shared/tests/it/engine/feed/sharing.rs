//! Nothing is missed, whatever commits when, and whoever reads.

use std::time::{Duration, Instant};

use serde_json::json;
use tasker_shared::store::feed::{Event, Feed, FeedOptions, FeedStart};
use tasker_shared::store::{AdvanceConnection, ClaimConnection, Store};

use super::{by_task, feed, identifiers, read};
use crate::engine::harness::{namespace, success, Engine};

/// A transaction that has written a transition of `task` and waits.
async fn pending(engine: &Engine, task: i64) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = tasker_shared::store::begin(engine.store.pool())
        .await
        .unwrap();
    for sql in [
        "UPDATE tasker_task_transitions SET most_recent = false WHERE task_id = $1 AND most_recent",
        "INSERT INTO tasker_task_transitions
                (task_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
         VALUES ($1, 'complete', 'cancelled', '{}', 30, true,
                 clock_timestamp() AT TIME ZONE 'UTC', clock_timestamp() AT TIME ZONE 'UTC')",
    ] {
        sqlx::query(sql).bind(task).execute(&mut *transaction).await.unwrap();
    }
    transaction
}

fn cancelled(events: &[Event], task: i64) -> usize {
    let of_task = events.iter().filter(|event| event.task_id == task);
    of_task
        .filter(|event| event.identifier == "task.cancelled")
        .count()
}

async fn gaps(engine: &Engine) -> i64 {
    engine
        .count("SELECT jsonb_array_length(task_gaps)::bigint FROM tasker.event_cursors WHERE name = 'tests'")
        .await
}

#[tokio::test]
async fn what_commits_behind_the_position_is_told_when_it_does() {
    let mut engine = Engine::new().await;
    let early = engine.submit("single", &[("only", &[])]).await.task_id;
    engine.run_to_the_end().await;
    let mut feed = feed(&engine, |_| {}).await;
    read(&mut feed).await;

    let waits = pending(&engine, early).await;
    engine.submit_again("single").await;
    engine.run_to_the_end().await;
    assert!(!read(&mut feed).await.is_empty());
    assert_eq!(read(&mut feed).await, []);
    assert_eq!(gaps(&engine).await, 1);
    waits.commit().await.unwrap();
    let late = read(&mut feed).await;
    assert_eq!(
        identifiers(&late),
        ["task.before_transition", "task.cancelled"]
    );
    assert_eq!(gaps(&engine).await, 0);
    assert_eq!(read(&mut feed).await, []);
}

#[tokio::test]
async fn a_gap_of_what_was_rolled_back_is_closed_and_survives_a_change_of_hands_until_then() {
    let mut engine = Engine::new().await;
    let early = engine.submit("single", &[("only", &[])]).await.task_id;
    engine.run_to_the_end().await;
    let mut first = feed(&engine, |_| {}).await;
    read(&mut first).await;
    let waits = pending(&engine, early).await;
    engine.submit_again("single").await;
    engine.run_to_the_end().await;
    read(&mut first).await;
    first.release().await.unwrap();

    let mut second = feed(&engine, |_| {}).await;
    assert_eq!(read(&mut second).await, []);
    waits.rollback().await.unwrap();
    // Transactions are numbered for the whole server, and other tests have some: the gap
    // is closed when those have ended, and that is written down with the next move.
    let deadline = Instant::now() + Duration::from_secs(30);
    while gaps(&engine).await > 0 {
        assert!(Instant::now() < deadline, "the gap stays open");
        read(&mut second).await;
        engine.submit_again("single").await;
        assert!(!read(&mut second).await.is_empty());
    }
}

#[tokio::test]
async fn a_name_that_begins_now_misses_nothing_that_is_under_way() {
    let mut engine = Engine::new().await;
    let task = engine.submit("single", &[("only", &[])]).await.task_id;
    engine.run_to_the_end().await;
    let waits = pending(&engine, task).await;
    engine.submit_again("single").await;
    let mut feed = feed(&engine, |options| options.start = FeedStart::Now).await;
    assert_eq!(read(&mut feed).await, []);
    waits.commit().await.unwrap();
    assert_eq!(cancelled(&read(&mut feed).await, task), 1);
    engine.run_to_the_end().await;
    let last = read(&mut feed).await;
    assert_eq!(
        identifiers(&last).last(),
        Some(&"workflow.task_finalization_completed")
    );
}

#[tokio::test]
async fn small_batches_tell_each_task_the_same_in_the_same_order() {
    let mut engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
    engine.submit("shape", steps).await;
    for _ in 0..20 {
        engine.submit_again("shape").await;
    }
    engine.run_to_the_end().await;
    let whole = by_task(&read(&mut feed(&engine, |_| {}).await).await);
    assert_eq!(whole.len(), 21);
    for batch_max in [1, 2, 7] {
        let mut feed = feed(&engine, |options| {
            options.name = format!("by_{batch_max}");
            options.batch_max = batch_max;
        })
        .await;
        assert_eq!(by_task(&read(&mut feed).await), whole);
    }
}

/// Runs steps until none is left.
async fn run(store: Store, until: usize) {
    let mut claims = ClaimConnection::open(&store, &namespace()).await.unwrap();
    let mut advances = AdvanceConnection::open(&store).await.unwrap();
    let ended = "SELECT count(*) FROM tasker_tasks WHERE complete";
    loop {
        let claimed = claims.claim(5).await.unwrap().steps;
        let reports = claimed.iter().map(|step| success(step.attempt, json!({})));
        let reports: Vec<_> = reports.collect();
        if !reports.is_empty() {
            advances.advance(reports).await.unwrap();
            continue;
        }
        let ended: i64 = sqlx::query_scalar(ended)
            .fetch_one(store.pool())
            .await
            .unwrap();
        if ended as usize >= until {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_reads_while_others_write_is_told_what_a_later_reader_is() {
    const TASKS: usize = 60;
    let engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
    engine.submit("shape", steps).await;
    let workers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(run(engine.store.clone(), TASKS)))
        .collect();
    let mut live = feed(&engine, |options| options.batch_max = 5).await;
    let mut events = Vec::new();
    for _ in 1..TASKS {
        engine.submit_again("shape").await;
        events.extend(read(&mut live).await);
    }
    while !workers.iter().all(tokio::task::JoinHandle::is_finished) {
        events.extend(read(&mut live).await);
    }
    for worker in workers {
        worker.await.unwrap();
    }
    events.extend(read(&mut live).await);
    let later = read(&mut feed(&engine, |options| options.name = "later".to_owned()).await).await;
    assert_eq!(by_task(&events), by_task(&later));
    assert_eq!(by_task(&later).len(), TASKS);
}

#[tokio::test]
async fn one_process_reads_and_another_takes_over_when_the_lease_ends() {
    let mut engine = Engine::new().await;
    let mut first = feed(&engine, |_| {}).await;
    let options = FeedOptions {
        name: "tests".to_owned(),
        events: None,
        start: FeedStart::Now,
        batch_max: 10,
    };
    let mut second = Feed::open(&engine.store, options).await.unwrap();
    let wait = second.take("second").await.unwrap().expect("it is held");
    assert!(
        wait > Duration::from_secs(5) && wait <= first.lease(),
        "{wait:?}"
    );

    engine.submit("single", &[("only", &[])]).await;
    engine.run_to_the_end().await;
    let told = first.look().await.unwrap().unwrap().events;
    let end = "UPDATE tasker.event_cursors SET lease_ends_at = now() AT TIME ZONE 'UTC'";
    sqlx::query(end).execute(engine.store.pool()).await.unwrap();
    assert_eq!(second.take("second").await.unwrap(), None);
    assert!(
        !first.handled(1, 0).await.unwrap(),
        "what it handled is not noted"
    );
    assert!(first.look().await.unwrap().is_none());
    assert!(!first.renew().await.unwrap());
    assert_eq!(second.look().await.unwrap().unwrap().events, told);
    assert!(second.handled(told.len() as i64, 0).await.unwrap());
    let delivered = engine
        .count("SELECT delivered FROM tasker.event_cursors")
        .await;
    assert_eq!(delivered, told.len() as i64);
    second.release().await.unwrap();
    assert_eq!(first.take("first").await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused_before_anything_is_stored() {
    let engine = Engine::new().await;
    let refused = |name: &str, events: Option<&str>, batch_max: i64| {
        let options = FeedOptions {
            name: name.to_owned(),
            events: events.map(|event| vec![event.to_owned()]),
            start: FeedStart::Now,
            batch_max,
        };
        let store = engine.store.clone();
        async move {
            let Err(error) = Feed::open(&store, options).await else {
                panic!("accepted");
            };
            error.to_string()
        }
    };
    assert!(refused("a b", None, 10).await.starts_with("name: "));
    assert!(refused("", None, 10).await.starts_with("name: "));
    assert!(refused("a", Some("task.finished"), 10)
        .await
        .contains("task.finished"));
    assert!(refused("a", None, 0).await.starts_with("batch: "));
    assert_eq!(
        engine
            .count("SELECT count(*) FROM tasker.event_cursors")
            .await,
        0
    );
}
