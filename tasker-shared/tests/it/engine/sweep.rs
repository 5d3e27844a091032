//! Leases that run out, and hands in the database.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgListener;
use tasker_shared::domain::{Outcome, State, StepError};
use tasker_shared::messaging::{Channel, WAKE_CHANNEL};
use tasker_shared::store::operate::fail_exhausted;
use tasker_shared::store::{read, AdvanceConnection, Reach, Report, Survey, WorkerRecord};
use tasker_testkit::eventually;

use super::harness::{namespace, Engine};

#[tokio::test]
async fn a_step_whose_workers_keep_dying_fails_after_its_last_attempt() {
    let mut engine = Engine::new().await;
    let task = engine.submit("one", &[("only", &[])]).await;
    for attempt in 1..=3 {
        let claimed = engine.claim_one().await;
        assert_eq!(claimed.attempt, attempt);
        assert!(
            engine.claim(1).await.is_empty(),
            "a step under way is claimed by nobody"
        );
        engine.expire(claimed).await;
        assert!(
            engine.claim(1).await.is_empty(),
            "nor before its lost attempt is booked"
        );
        assert_eq!(
            engine.look(Reach::Front).await.lost,
            BTreeMap::from([(namespace(), vec![claimed.message_id])])
        );
        assert_eq!(engine.sweep().await.lost.applied, 1);
        engine.sweep().await;
        engine.verify().await;
    }
    assert_eq!(engine.state(task.task_id).await, State::Error);
    let step_id = engine.steps(task.task_id).await["only"].step_id;
    let step = read::step(&engine.store, task.task_id, step_id)
        .await
        .unwrap()
        .unwrap();
    let kinds: Vec<_> = step.failures.unwrap().into_iter().map(|f| f.kind).collect();
    assert_eq!(kinds, ["lost", "lost", "lost"]);
}

#[tokio::test]
async fn a_lease_that_is_renewed_in_time_is_not_lost() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    engine.expire(attempt).await;
    let lease = tasker_shared::store::Lease {
        message_id: attempt.message_id,
        token: attempt.lease_token,
    };
    assert!(engine
        .store
        .renew(&namespace(), &[lease])
        .await
        .unwrap()
        .is_empty());
    assert_eq!(engine.sweep().await.lost.applied, 0);
    assert_eq!(engine.succeed(attempt, json!({})).await.applied, 1);
    engine.verify().await;
}

#[tokio::test]
async fn a_look_says_when_the_next_lease_ends() {
    let mut engine = Engine::new().await;
    assert_eq!(engine.look(Reach::Front).await.next_end, None);
    engine.submit("one", &[("only", &[])]).await;
    engine.submit_again("one").await;
    assert_eq!(engine.look(Reach::Front).await.next_end, None);
    let lost = engine.claim_one().await;
    engine.claim_one().await;
    engine.expire(lost).await;
    let look = engine.look(Reach::Front).await;
    let end = look.next_end.unwrap();
    let lease = Duration::from_millis(engine.store.engine().lease_ms);
    assert!(Duration::ZERO < end && end <= lease, "{end:?}");
    let ended = BTreeMap::from([(namespace(), vec![lost.message_id])]);
    assert_eq!((look.lost, look.partial), (ended, false));
}

#[tokio::test]
async fn what_a_look_reads_is_bounded_however_many_steps_wait() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    engine.expire(attempt).await;
    let lost = BTreeMap::from([(namespace(), vec![attempt.message_id])]);
    let before = entries_read(&engine).await;
    // In front of the lost step, as steps of a higher priority are.
    wait_in_front(&engine, 1..=10_000).await;
    let look = engine.look(Reach::Front).await;
    assert_eq!((&look.lost, look.partial), (&lost, false));
    wait_in_front(&engine, 10_001..=40_000).await;
    let look = engine.look(Reach::Front).await;
    assert_eq!((&look.lost, look.partial), (&BTreeMap::new(), true));
    // Each look reads the front twice. What a connection read is handed over when
    // it ends.
    engine.advances = AdvanceConnection::open(&engine.store).await.unwrap();
    let counted = |read: &i64| *read >= 40_000;
    let read = || async { Some(entries_read(&engine).await - before).filter(counted) };
    let read = eventually("both looks are counted", Duration::from_secs(30), read).await;
    assert!(read < 41_000, "{read} entries");
    let look = engine.look(Reach::Whole).await;
    assert_eq!((&look.lost, look.partial), (&lost, false));
}

/// Puts messages into the queue that no worker has taken.
async fn wait_in_front(engine: &Engine, ids: std::ops::RangeInclusive<i32>) {
    sqlx::query(
        "INSERT INTO pgmq.q_steps_tests (msg_id, vt, message) OVERRIDING SYSTEM VALUE
         SELECT -id, clock_timestamp(), '{}' FROM generate_series($1, $2) id",
    )
    .bind(ids.start())
    .bind(ids.end())
    .execute(engine.store.pool())
    .await
    .unwrap();
}

/// Entries read so far of the queue's index; a scan of the table is a full read.
async fn entries_read(engine: &Engine) -> i64 {
    let sql = "SELECT (idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_user_tables WHERE relname = 'q_steps_tests'";
    engine.count(sql).await
}

#[tokio::test]
async fn timers_are_told_when_a_worker_brings_a_handler_that_steps_wait_for() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    let attempt = engine.claim_one().await;
    let handler_class = "Test::Handler".to_owned();
    let report = Report {
        attempt,
        outcome: Outcome::NoHandler {
            handler_class: handler_class.clone(),
        },
        stored: false,
    };
    engine.report(vec![report]).await;
    let mut listener = PgListener::connect(engine.url()).await.unwrap();
    listener.listen(WAKE_CHANNEL).await.unwrap();
    let worker = |id: &str, handler: &str| WorkerRecord {
        worker_id: id.to_owned(),
        namespaces: vec![namespace()],
        handlers: vec![handler.to_owned()],
    };
    for worker in [worker("a", "Another::Handler"), worker("b", &handler_class)] {
        engine.store.register_worker(&worker).await.unwrap();
    }
    engine.store.hub().wake(&Channel::Results);
    let mut heard = Vec::new();
    while heard.last() != Some(&Channel::Results.name()) {
        let wake = tokio::time::timeout(Duration::from_secs(30), listener.recv()).await;
        let payload = wake.unwrap().unwrap().payload().to_owned();
        heard.push(payload.split('@').next().unwrap().to_owned());
    }
    assert_eq!(heard, [Channel::Delays.name(), Channel::Results.name()]);
    assert_eq!(engine.sweep().await.due, 1);
    engine.verify().await;
}

#[tokio::test]
async fn a_survey_names_the_namespaces_in_which_something_does_not_add_up() {
    let mut engine = Engine::new().await;
    engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    engine.submit_again("chain").await;
    let attempt = engine.claim_one().await;
    engine.fail(attempt, StepError::retryable("x")).await;
    let namespaces = [namespace()];
    let sound = Survey {
        known: namespaces.to_vec(),
        ..Survey::default()
    };
    assert_eq!(engine.store.survey(&namespaces).await.unwrap(), sound);
    assert_eq!(engine.store.survey(&[]).await.unwrap().known, namespaces);
    engine.make_due().await;
    engine.sweep().await;
    for change in [
        "UPDATE tasker_workflow_steps SET retry_limit = 1 WHERE attempts = 1",
        "DELETE FROM pgmq.q_steps_tests WHERE msg_id = (SELECT min(msg_id) FROM pgmq.q_steps_tests)",
    ] {
        sqlx::query(change)
            .execute(engine.store.pool())
            .await
            .unwrap();
    }
    let survey = engine.store.survey(&namespaces).await.unwrap();
    assert_eq!(survey.exhausted, namespaces);
    assert_eq!(survey.suspect, namespaces);
    fail_exhausted(&engine.store, &namespace()).await.unwrap();
    engine.store.repair(&namespace()).await.unwrap();
    assert_eq!(engine.store.survey(&namespaces).await.unwrap(), sound);
    engine.verify().await;
}

#[tokio::test]
async fn messages_deleted_by_hand_come_back() {
    let mut engine = Engine::new().await;
    let steps: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a", "b"])];
    let task = engine.submit("join", steps).await;
    let running = engine.claim_one().await;
    sqlx::query("DELETE FROM pgmq.q_steps_tests")
        .execute(engine.store.pool())
        .await
        .unwrap();
    let repairs = engine.store.repair(&namespace()).await.unwrap();
    assert_eq!((repairs.enqueued, repairs.deleted), (2, 0));
    engine.verify().await;
    assert_eq!(engine.store.repair(&namespace()).await.unwrap().enqueued, 0);
    assert_eq!(
        engine.succeed(running, json!({})).await.applied,
        0,
        "its lease went with its message"
    );
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn messages_made_by_hand_run_nothing_twice() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    let copy = "INSERT INTO pgmq.q_steps_tests (vt, message) SELECT now(), message FROM pgmq.q_steps_tests";
    sqlx::query(copy)
        .execute(engine.store.pool())
        .await
        .unwrap();
    let claimed = engine.claim(10).await;
    assert_eq!(claimed.len(), 1, "two messages of one step are one claim");
    let repairs = engine.store.repair(&namespace()).await.unwrap();
    assert_eq!((repairs.enqueued, repairs.deleted), (0, 1));
    assert_eq!(
        engine.succeed(claimed[0].attempt, json!({})).await.applied,
        1
    );
    sqlx::query(
        "SELECT pgmq.send('steps_tests', jsonb_build_object('task_id', $1::bigint, 'step_id', 0))",
    )
    .bind(task.task_id)
    .execute(engine.store.pool())
    .await
    .unwrap();
    assert_eq!(engine.store.repair(&namespace()).await.unwrap().deleted, 1);
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task.task_id).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn several_sweeps_at_once_move_each_due_step_once() {
    let mut engine = Engine::new().await;
    engine.submit("one", &[("only", &[])]).await;
    for _ in 0..30 {
        engine.submit_again("one").await;
    }
    for claimed in engine.claim(100).await {
        let error = StepError::retryable("x");
        engine.fail(claimed.attempt, error).await;
    }
    engine.make_due().await;
    let mut sweeps = Vec::new();
    for _ in 0..4 {
        let mut connection = AdvanceConnection::open(&engine.store).await.unwrap();
        sweeps.push(tokio::spawn(async move {
            connection.enqueue_due(&namespace()).await.unwrap()
        }));
    }
    let mut moved = 0;
    for sweep in sweeps {
        moved += sweep.await.unwrap();
    }
    assert_eq!(moved, 31);
    engine.verify().await;
}

#[tokio::test]
async fn a_step_whose_limit_was_lowered_below_its_attempts_ends_in_error() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", &[("a", &[]), ("b", &["a"])]).await;
    let attempt = engine.claim_one().await;
    let error = StepError::retryable("x");
    engine.fail(attempt, error).await;
    engine.make_due().await;
    engine.sweep().await;
    assert_eq!(
        fail_exhausted(&engine.store, &namespace()).await.unwrap(),
        0
    );
    sqlx::query("UPDATE tasker_workflow_steps SET retry_limit = 1")
        .execute(engine.store.pool())
        .await
        .unwrap();
    assert!(
        engine.claim(1).await.is_empty(),
        "no attempt beyond the limit"
    );
    assert_eq!(
        fail_exhausted(&engine.store, &namespace()).await.unwrap(),
        1
    );
    assert_eq!(engine.state(task.task_id).await, State::Error);
    let step = &engine.steps(task.task_id).await["a"];
    assert_eq!(step.results["error_class"], "Tasker::RetryLimitLowered");
    engine.verify().await;
}
