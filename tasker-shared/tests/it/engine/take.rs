//! Going on: the statement that ends a step starts its children.

use serde_json::json;
use tasker_shared::config::Audit;
use tasker_shared::domain::{State, StepError};
use tasker_shared::store::{Attempt, Report, Room, Taken};

use super::harness::{failure, namespace, success, Engine};

const CHAIN: &[(&str, &[&str])] = &[("one", &[]), ("two", &["one"]), ("three", &["two"])];

/// Reports success of `attempt` and goes on with up to `steps` of its children.
async fn go_on(engine: &mut Engine, attempt: Attempt, steps: usize) -> Vec<Taken> {
    let results = json!({"of": attempt.step_id});
    take(engine, vec![success(attempt, results)], steps).await
}

async fn take(engine: &mut Engine, reports: Vec<Report>, steps: usize) -> Vec<Taken> {
    let after = reports.iter().map(|r| r.attempt.step_id).collect();
    let room = Room { steps, after };
    let advanced = engine.advances.advance_and_take(reports, &room).await;
    advanced.unwrap().1
}

#[tokio::test]
async fn a_chain_goes_on_to_its_end_without_another_claim() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let mut attempt = engine.claim_one().await;
    for name in ["two", "three"] {
        let parent = attempt;
        let taken = go_on(&mut engine, attempt, 8).await;
        let [next] = &taken[..] else {
            panic!("one child is ready, not {taken:?}")
        };
        attempt = next.attempt;
        assert_eq!(engine.name_of(&attempt).await, name);
        assert_eq!((attempt.task_id, attempt.attempt), (task, 1));
        assert_eq!(attempt.definition_id, parent.definition_id);
        assert_eq!(next.parent_id, parent.step_id);
        assert_eq!(next.inputs, json!({"n": 1}));
        let step = &engine.steps(task).await[name];
        assert_eq!((step.attempts, step.in_process), (1, true));
        assert!(engine.claim(10).await.is_empty(), "nobody else gets it");
        engine.verify().await;
    }
    assert!(go_on(&mut engine, attempt, 8).await.is_empty());
    assert_eq!(engine.state(task).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn no_more_is_taken_than_there_is_room_for_and_the_rest_can_be_claimed() {
    let mut engine = Engine::new().await;
    let fan: &[(&str, &[&str])] = &[
        ("parent", &[]),
        ("a", &["parent"]),
        ("b", &["parent"]),
        ("c", &["parent"]),
    ];
    engine.submit("fan", fan).await;
    let parent = engine.claim_one().await;
    let room = Room {
        steps: 2,
        after: vec![parent.step_id],
    };
    let reports = vec![success(parent, json!({}))];
    let (mut advanced, taken) = engine
        .advances
        .advance_and_take(reports, &room)
        .await
        .unwrap();
    assert_eq!(taken.len(), 2);
    assert_eq!(advanced.remove(&namespace()).unwrap().enqueued, 1);
    assert_eq!(engine.claim(10).await.len(), 1);
    engine.verify().await;
}

#[tokio::test]
async fn a_step_with_several_parents_is_left_to_a_claim_that_sees_all_their_results() {
    let mut engine = Engine::new().await;
    let join: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("join", &["a", "b"])];
    engine.submit("join", join).await;
    let roots = engine.claim(2).await;
    let reports = roots.iter().map(|c| success(c.attempt, json!({})));
    let taken = take(&mut engine, reports.collect(), 8).await;
    assert!(taken.is_empty(), "{taken:?}");
    let claim = engine.claims.claim(10).await.unwrap();
    assert_eq!((claim.steps.len(), claim.parents.len()), (1, 2));
}

#[tokio::test]
async fn nothing_is_taken_after_a_failure_a_stale_report_or_a_step_not_named() {
    let mut engine = Engine::new().await;
    engine.submit("chain", CHAIN).await;
    engine.submit_again("chain").await;
    let claimed = engine.claim(2).await;
    let (failing, other) = (claimed[0].attempt, claimed[1].attempt);
    let error = StepError::permanent("no");
    let taken = take(&mut engine, vec![failure(failing, error)], 8).await;
    assert!(taken.is_empty());
    let room = Room {
        steps: 8,
        after: vec![failing.step_id],
    };
    let reports = vec![success(other, json!({}))];
    let advanced = engine.advances.advance_and_take(reports, &room).await;
    assert!(advanced.unwrap().1.is_empty());
    // What it made ready is in the queue; the second report of it changes nothing.
    assert!(go_on(&mut engine, other, 8).await.is_empty());
    assert_eq!(engine.claim(10).await.len(), 1);
    engine.verify().await;
}

#[tokio::test]
async fn a_taken_step_whose_worker_dies_is_found_by_its_lease_and_its_late_report_is_stale() {
    let mut engine = Engine::new().await;
    let task = engine.submit("chain", CHAIN).await.task_id;
    let root = engine.claim_one().await;
    let taken = go_on(&mut engine, root, 1).await[0].attempt;
    engine.expire(taken).await;
    let swept = engine.sweep().await;
    assert_eq!((swept.lost.applied, swept.lost.retried), (1, 1));
    engine.verify().await;
    assert_eq!(engine.succeed(taken, json!("late")).await.stale, [taken]);
    engine.make_due().await;
    engine.sweep().await;
    let again = engine.claim_one().await;
    assert_eq!((again.step_id, again.attempt), (taken.step_id, 2));
    engine.succeed(again, json!({})).await;
    engine.run_to_the_end().await;
    assert_eq!(engine.state(task).await, State::Complete);
    engine.verify().await;
}

#[tokio::test]
async fn the_trail_is_the_one_that_claims_leave_in_both_ways_of_writing_it() {
    for audit in [Audit::Folded, Audit::Live] {
        let mut engine = Engine::with(|config| config.engine.audit = audit).await;
        let task = engine.submit("chain", CHAIN).await.task_id;
        let root = engine.claim_one().await;
        let two = go_on(&mut engine, root, 1).await[0].attempt;
        let written = engine.task(task).await.transitions.unwrap();
        let live = written.iter().any(|t| t.step_id == Some(two.step_id));
        assert_eq!(live, audit == Audit::Live, "{audit:?}");
        let three = go_on(&mut engine, two, 1).await[0].attempt;
        go_on(&mut engine, three, 1).await;
        let written = engine.task(task).await.transitions.unwrap();
        for step in [root, two, three].map(|attempt| Some(attempt.step_id)) {
            let trail: Vec<_> = written
                .iter()
                .filter(|t| t.step_id == step)
                .map(|t| (t.to_state.as_str(), t.sort_key))
                .collect();
            assert_eq!(trail, [("in_progress", 10), ("complete", 20)], "{audit:?}");
        }
        engine.verify().await;
    }
}
