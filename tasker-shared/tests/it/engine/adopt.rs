//! Adoption: an execution goes over to another process, and nobody has it twice.

use serde_json::json;
use tasker_shared::domain::{Outcome, State};
use tasker_shared::store::operate::cancel_task;
use tasker_shared::store::{
    begin, AdoptConnection, Attempt, Claim, ClaimConnection, Handed, Lease, Report,
};
use tasker_shared::wire::OperatorRequest;

use super::harness::{namespace, Engine};

const CHAIN: &[(&str, &[&str])] = &[("one", &[]), ("two", &["one"])];

pub(crate) fn handed(attempt: Attempt) -> Handed {
    Handed {
        step_id: attempt.step_id,
        attempt: attempt.attempt,
        lease: lease(attempt),
    }
}

fn lease(attempt: Attempt) -> Lease {
    Lease {
        message_id: attempt.message_id,
        token: attempt.lease_token,
    }
}

async fn adopter(engine: &Engine) -> AdoptConnection {
    AdoptConnection::open(&engine.store).await.unwrap()
}

async fn adopt(engine: &Engine, attempts: &[Attempt]) -> Claim {
    let handed: Vec<Handed> = attempts.iter().copied().map(handed).collect();
    let mut adopter = adopter(engine).await;
    adopter.adopt(&namespace(), &handed).await.unwrap()
}

/// Whether it is said that the execution can never be adopted.
async fn is_gone(engine: &Engine, attempt: Attempt) -> bool {
    let leases = [lease(attempt)];
    let gone = engine.store.gone(&namespace(), &leases).await.unwrap();
    gone == [attempt.message_id]
}

#[tokio::test]
async fn an_adopted_execution_is_the_adopters_alone() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let first = engine.claim_one().await;
    let before = engine.steps(task).await["one"].last_attempted_at;
    assert!(!is_gone(&engine, first).await);

    let claim = adopt(&engine, &[first]).await;
    let [step] = &claim.steps[..] else {
        panic!("one step is adopted, not {:?}", claim.steps)
    };
    let adopted = step.attempt;
    let same = Attempt {
        lease_token: adopted.lease_token,
        ..first
    };
    assert_eq!(adopted, same, "it is the same attempt");
    assert!(adopted.lease_token > first.lease_token);
    let step = &engine.steps(task).await["one"];
    assert_eq!((step.attempts, step.in_process), (1, true));
    assert!(step.last_attempted_at > before, "the attempt begins here");

    assert!(is_gone(&engine, first).await);
    let lost = engine.store.renew(&namespace(), &[lease(first)]).await;
    assert_eq!(lost.unwrap(), [first.message_id]);
    let stale = engine.succeed(first, json!({"by": "first"})).await;
    assert_eq!(stale.stale, [first]);
    let lost = engine.store.renew(&namespace(), &[lease(adopted)]).await;
    assert!(lost.unwrap().is_empty());
    engine.verify().await;

    assert_eq!(
        engine
            .succeed(adopted, json!({"by": "adopter"}))
            .await
            .applied,
        1
    );
    let step = &engine.steps(task).await["one"];
    assert_eq!(step.results, json!({"by": "adopter"}));
    engine.verify().await;
}

#[tokio::test]
async fn what_is_adopted_comes_with_all_its_handler_needs() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let one = engine.claim_one().await;
    engine.succeed(one, json!({"from": "one"})).await;
    let two = engine.claim(1).await.remove(0);
    let mut claim = adopt(&engine, &[two.attempt]).await;
    assert_eq!(claim.contexts[&task], json!({"n": 1}));
    let parent = claim.parents.remove(0);
    assert_eq!(parent.results, json!({"from": "one"}));
    assert_eq!(parent.children, [two.attempt.step_id]);
    let adopted = claim.steps.remove(0);
    assert_eq!(adopted.inputs, two.inputs);
    assert_eq!(adopted.correlation_id, two.correlation_id);
    engine.verify().await;
}

#[tokio::test]
async fn of_many_who_adopt_at_once_one_gets_it() {
    let mut engine = Engine::new().await;
    engine.submit("chain", CHAIN).await;
    let attempt = engine.claim_one().await;
    // One of them has it twice in its batch.
    let (alone, twice) = ([attempt], [attempt; 2]);
    let (a, b, c, d) = tokio::join!(
        adopt(&engine, &alone),
        adopt(&engine, &twice),
        adopt(&engine, &alone),
        adopt(&engine, &alone),
    );
    let adopted: usize = [a, b, c, d].iter().map(|claim| claim.steps.len()).sum();
    assert_eq!(adopted, 1);
    engine.verify().await;
}

#[tokio::test]
async fn a_lease_costs_an_attempt_from_adoption_on() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let opened = ClaimConnection::open_to_hand_on(&engine.store, &namespace()).await;
    engine.claims = opened.unwrap();
    // Twice, for what is enqueued again must be as good as new.
    for _ in 0..2 {
        let waits = engine.claim_one().await;
        assert_eq!(waits.attempt, 1);
        engine.expire(waits).await;
        engine.sweep().await;
        let step = &engine.steps(task).await["one"];
        assert_eq!((step.attempts, step.in_process), (0, false));
        assert!(adopt(&engine, &[waits]).await.steps.is_empty());
    }
    let waits = engine.claim_one().await;
    let runs = adopt(&engine, &[waits]).await.steps.remove(0).attempt;
    engine.expire(runs).await;
    engine.sweep().await;
    engine.sweep().await;
    assert_eq!(engine.claim_one().await.attempt, 2);
    engine.verify().await;
}

#[tokio::test]
async fn what_has_ended_cannot_be_adopted() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let back = engine.claim_one().await;
    let report = Report {
        attempt: back,
        outcome: Outcome::HandedBack,
        stored: false,
    };
    engine.report(vec![report]).await;
    // The same attempt again, in another execution.
    let done = engine.claim_one().await;
    assert_eq!(done.attempt, back.attempt);
    engine.succeed(done, json!({})).await;
    let cancelled = engine.claim_one().await;
    let by = OperatorRequest::default();
    cancel_task(&engine.store, task, &by).await.unwrap();
    for ended in [back, done, cancelled] {
        assert!(adopt(&engine, &[ended]).await.steps.is_empty());
        assert!(is_gone(&engine, ended).await);
    }
    assert_eq!(engine.state(task).await, State::Cancelled);
    engine.verify().await;
}

#[tokio::test]
async fn adoption_waits_for_no_lock_and_says_that_it_may_still_succeed() {
    let mut engine = Engine::new().await;
    engine.submit("chain", CHAIN).await;
    let attempt = engine.claim_one().await;
    let mut holder = begin(engine.store.pool()).await.unwrap();
    let lock = "SELECT 1 FROM pgmq.q_steps_tests WHERE msg_id = $1 FOR NO KEY UPDATE";
    sqlx::query(lock)
        .bind(attempt.message_id)
        .execute(&mut *holder)
        .await
        .unwrap();
    assert!(adopt(&engine, &[attempt]).await.steps.is_empty());
    assert!(!is_gone(&engine, attempt).await);
    holder.rollback().await.unwrap();
    assert_eq!(adopt(&engine, &[attempt]).await.steps.len(), 1);
    engine.verify().await;
}

#[tokio::test]
async fn a_reference_that_does_not_fit_together_adopts_nothing() {
    let mut engine = Engine::new().await;
    engine.submit("chain", CHAIN).await;
    engine.submit_again("chain").await;
    let mut claimed = engine.claim(2).await;
    let (one, other) = (claimed.remove(0).attempt, claimed.remove(0).attempt);
    let mixed = [
        Attempt {
            step_id: other.step_id,
            ..one
        },
        Attempt { attempt: 2, ..one },
        Attempt {
            lease_token: one.lease_token + 1,
            ..one
        },
    ];
    for reference in mixed {
        assert!(adopt(&engine, &[reference]).await.steps.is_empty());
    }
    assert_eq!(adopt(&engine, &[one, other]).await.steps.len(), 2);
    engine.verify().await;
}
