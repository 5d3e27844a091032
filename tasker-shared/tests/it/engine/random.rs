//! Random graphs with random fates: whatever happens, the books are right.
//!
//! The model is a few lines: what must have run, what must not, and how the task
//! must end. `verify` recomputes the rest after every handful of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tasker_shared::domain::{Outcome, State, StepError};
use tasker_shared::store::operate::{
    cancel_step, cancel_task, resolve_step, retry_step, retry_task,
};
use tasker_shared::store::{templates, Attempt, Report, Room};
use tasker_shared::wire::{OperatorRequest, ResolveRequest, StepPhase};
use tasker_testkit::seeded_dag;

use super::harness::{failure, success, template_of, Engine};

/// Runs `tasks` tasks of random graphs to the end under random outcomes.
async fn storm(seed: u64, tasks: usize, with_operators: bool) {
    let mut engine = Engine::new().await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut parents: BTreeMap<i64, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for n in 0..tasks {
        let name = format!("random_{n}");
        let dag = seeded_dag(seed * 1000 + n as u64, rng.random_range(1..14), 4);
        templates::register(&engine.store, &template_of(&name, &dag, ""))
            .await
            .unwrap();
        let task = engine.submit_again(&name).await;
        parents.insert(task.task_id, dag.into_iter().collect());
    }
    let mut held: Vec<Attempt> = Vec::new();
    for round in 0.. {
        assert!(round < 2_000, "seed {seed}: the storm does not end");
        let claimed = engine.claim(rng.random_range(1..8)).await;
        for step in &claimed {
            assert_parents_done(
                &engine,
                &parents,
                step.attempt.task_id,
                &engine.name_of(&step.attempt).await,
            )
            .await;
        }
        held.extend(claimed.iter().map(|c| c.attempt));
        if held.is_empty() {
            engine.make_due().await;
            let swept = engine.sweep().await;
            if swept.due == 0 && engine.claim_nothing().await {
                break;
            }
        }
        let mut reports = Vec::new();
        for _ in 0..rng.random_range(0..=held.len()) {
            let attempt = held.swap_remove(rng.random_range(0..held.len()));
            match rng.random_range(0..20) {
                0 => engine.expire(attempt).await,
                1 => reports.push(failure(attempt, StepError::permanent("random"))),
                2..=4 => reports.push(failure(attempt, StepError::retryable("random"))),
                5 => reports.push(Report {
                    attempt,
                    outcome: Outcome::HandedBack,
                    stored: false,
                }),
                6 => {
                    let handler_class = "Test::Handler".to_owned();
                    reports.push(Report {
                        attempt,
                        outcome: Outcome::NoHandler { handler_class },
                        stored: false,
                    });
                }
                7 => reports.extend([
                    success(attempt, json!(round)),
                    success(attempt, json!("twice")),
                ]),
                _ => reports.push(success(attempt, json!({"round": round}))),
            }
        }
        for taken in engine.report_and_go_on(&mut rng, reports).await {
            let name = engine.name_of(&taken).await;
            assert_parents_done(&engine, &parents, taken.task_id, &name).await;
            held.push(taken);
        }
        if with_operators && rng.random_bool(0.2) {
            let tasks: Vec<i64> = parents.keys().copied().collect();
            meddle(&engine, &mut rng, &tasks).await;
        }
        if rng.random_bool(0.3) {
            engine.sweep().await;
        }
        if round % 5 == 0 {
            engine.verify().await;
        }
    }
    engine.verify().await;
    for task in parents.keys() {
        assert_ends_well(&engine, *task, with_operators).await;
    }
}

impl Engine {
    /// Reports, and goes on with as many children as it happens.
    async fn report_and_go_on(&mut self, rng: &mut StdRng, reports: Vec<Report>) -> Vec<Attempt> {
        let after = reports.iter().map(|r| r.attempt.step_id);
        let room = Room {
            steps: rng.random_range(0..4),
            after: after.filter(|_| rng.random_bool(0.7)).collect(),
        };
        let (_, taken) = self
            .advances
            .advance_and_take(reports, &room)
            .await
            .unwrap();
        taken.into_iter().map(|taken| taken.attempt).collect()
    }

    async fn claim_nothing(&mut self) -> bool {
        let waiting = "SELECT count(*) FROM pgmq.q_steps_tests";
        self.count(waiting).await == 0
            && self.count("SELECT count(*) FROM tasker.step_delays").await == 0
    }
}

/// A claimed step's parents have all succeeded.
async fn assert_parents_done(
    engine: &Engine,
    parents: &BTreeMap<i64, BTreeMap<String, Vec<String>>>,
    task: i64,
    step: &str,
) {
    let steps = engine.steps(task).await;
    for parent in &parents[&task][step] {
        assert!(
            steps[parent].state.satisfies_children(),
            "{step} started before {parent}"
        );
    }
}

/// One random verb on a random task; refusals are part of the game.
pub(crate) async fn meddle(engine: &Engine, rng: &mut StdRng, tasks: &[i64]) {
    let task = tasks[rng.random_range(0..tasks.len())];
    let steps = engine.steps(task).await;
    let step = steps
        .values()
        .nth(rng.random_range(0..steps.len()))
        .unwrap()
        .step_id;
    let request = OperatorRequest::default();
    let _ = match rng.random_range(0..10) {
        0 => cancel_task(&engine.store, task, &request).await,
        1 | 2 => cancel_step(&engine.store, task, step, &request).await,
        3..=5 => resolve_step(&engine.store, task, step, &ResolveRequest::default()).await,
        6 | 7 => retry_step(&engine.store, task, step, &request).await,
        _ => retry_task(&engine.store, task, &request).await,
    };
}

/// The task is final, nothing of it can run, and its state follows from its steps.
async fn assert_ends_well(engine: &Engine, task: i64, with_operators: bool) {
    let state = engine.state(task).await;
    let steps = engine.steps(task).await;
    assert!(state.is_final(), "task {task} ends {state}");
    let states: BTreeSet<State> = steps.values().map(|s| s.state).collect();
    let expected = if states.iter().all(|s| s.satisfies_children()) {
        State::Complete
    } else if states.contains(&State::Error) {
        State::Error
    } else {
        State::Cancelled
    };
    // A cancelled task may hold steps that failed before.
    assert!(
        state == expected || (with_operators && state == State::Cancelled),
        "{state} {states:?}"
    );
    for step in steps.values() {
        let over = matches!(step.phase, StepPhase::Finished | StepPhase::Blocked);
        assert!(
            over,
            "{} is {:?} in a task that is {state}",
            step.name, step.phase
        );
    }
}

/// Each case is a storm of its own on a database of its own; a smaller seed is not
/// a smaller storm, so nothing is shrunk.
pub(crate) fn storms(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(crate) fn run(storm: impl std::future::Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(storm);
}

proptest! {
    #![proptest_config(storms(4))]

    #[test]
    fn random_graphs_with_random_failures_end_with_sound_books(seed: u32) {
        run(storm(u64::from(seed), 6, false));
    }

    #[test]
    fn random_graphs_with_random_operators_end_with_sound_books(seed: u32) {
        run(storm(u64::from(seed), 6, true));
    }
}
