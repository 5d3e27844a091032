//! Which steps are ready, against the Rails engine's own answer on the same rows.
//!
//! Ready here is what a claim would take now, and what waits for a time that has come;
//! ready there is what `get_step_readiness_status` says. After every claim, report,
//! verb of an operator, passage of time and round of the timer the two are compared.
//! Where both engines mean the same they must agree on every step; where they do not,
//! `differences` says in which direction they differ, and nothing else may.
//!
//! Time passes by moving what is stored into the past.

mod differences;
mod events;
mod rules;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sqlx::Row as _;
use tasker_shared::config::Audit;
use tasker_shared::domain::StepError;
use tasker_shared::store::{begin, templates, Attempt, Report};
use tasker_testkit::seeded_dag;

use super::harness::{template_of, Engine, NAMESPACE};
use super::random::{meddle, run, storms};
use super::shapes::{diamonds, fan_in, layered, linear, Steps};
use differences::Standing;
use events::{Events, AS_RAILS, RETRY_LIMIT};

/// The statement of claims. Its first part chooses what is taken.
const CLAIM: &str = include_str!("../../../src/store/sql/claim.sql");

/// Every step of every task, as both engines see it at one moment.
async fn standings(engine: &Engine) -> Vec<Standing> {
    let mut transaction = begin(engine.store.pool()).await.unwrap();
    let rows = sqlx::query(
        "SELECT r.workflow_step_id, r.name, r.current_state, r.ready_for_execution, s.retryable,
                d.reason, COALESCE(d.due_at <= now() AT TIME ZONE 'UTC', false) AS due,
                ceil(extract(epoch FROM r.last_attempted_at + make_interval(secs => r.backoff_request_seconds)
                                        - (now() AT TIME ZONE 'UTC')) * 1000)::bigint AS asked_ms,
                x.to_state AS task
           FROM tasker_tasks t
           JOIN tasker_task_transitions x ON x.task_id = t.task_id AND x.most_recent
          CROSS JOIN LATERAL get_step_readiness_status(t.task_id) r
           JOIN tasker_workflow_steps s USING (workflow_step_id)
           LEFT JOIN tasker.step_delays d USING (workflow_step_id)",
    )
    .fetch_all(&mut *transaction)
    .await
    .unwrap();
    let claimable: Vec<i64> = sqlx::query_scalar(&claimable())
        .fetch_all(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    rows.iter()
        .map(|row| Standing {
            name: row.get("name"),
            ours: row.get("due") || claimable.contains(&row.get("workflow_step_id")),
            rails: row.get("ready_for_execution"),
            state: row.get("current_state"),
            retryable: row.get("retryable"),
            delay: row.get("reason"),
            asked_ms: row.get("asked_ms"),
            task: row.get("task"),
        })
        .collect()
}

/// The choice of the engine's own claim, unlimited and from the very first message on.
/// It waits for locks: those of a verb that was refused go a moment after the refusal.
fn claimable() -> String {
    let (choice, _) = CLAIM.split_once(", started AS (").unwrap();
    let choice = choice
        .replace("{queue}", &format!("q_steps_{NAMESPACE}"))
        .replace("$1", "NULL")
        .replace("SKIP LOCKED", "")
        .replace("$3", &i64::MIN.to_string());
    format!("{choice} SELECT workflow_step_id FROM picked")
}

/// Lets so many seconds pass.
async fn pass(engine: &Engine, seconds: f64) {
    for (table, column) in [
        ("tasker_workflow_steps", "last_attempted_at"),
        ("tasker_workflow_step_transitions", "created_at"),
        ("tasker.step_delays", "due_at"),
    ] {
        let earlier = format!("UPDATE {table} SET {column} = {column} - make_interval(secs => $1)");
        sqlx::query(&earlier)
            .bind(seconds)
            .execute(engine.store.pool())
            .await
            .unwrap();
    }
}

/// Compares the answers, `after` what has just happened.
async fn compare(engine: &Engine, events: Events, after: &str) {
    for step in standings(engine).await {
        let as_known = match events {
            // The function does not look at the task: in one that is over it may
            // offer a step that failed.
            Events::Common => step.ours == (step.rails && !step.over()),
            Events::All => step.ours == step.rails || step.difference().is_some(),
        };
        assert!(as_known, "{after}: {step:?}");
    }
}

/// Runs a task of each graph to its end and compares after every event.
async fn storm(graphs: Vec<Steps>, seed: u64, audit: Audit, events: Events) {
    let mut engine = Engine::with(|config| {
        config.engine.audit = audit;
        // No lease runs out but in the storm.
        config.engine.lease_ms = 3_600_000;
    })
    .await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut tasks = Vec::new();
    for (n, graph) in graphs.iter().enumerate() {
        let name = format!("graph_{n}");
        let template = events.policies(template_of(&name, graph, ""), &mut rng);
        templates::register(&engine.store, &template).await.unwrap();
        tasks.push(engine.submit_again(&name).await.task_id);
    }
    compare(&engine, events, "submission").await;
    let mut held: Vec<Attempt> = Vec::new();
    for round in 0.. {
        assert!(round < 2_000, "seed {seed}: the storm does not end");
        let claimed = engine.claim(rng.random_range(1..6)).await;
        compare(&engine, events, "claim").await;
        held.extend(claimed.iter().map(|claimed| claimed.attempt));
        if held.is_empty() && engine.idle().await {
            break;
        }
        for _ in 0..rng.random_range(0..=held.len()) {
            let attempt = held.swap_remove(rng.random_range(0..held.len()));
            let outcome = events.outcome(&mut rng, attempt, audit);
            let after = format!("{outcome:?} of attempt {}", attempt.attempt);
            match outcome {
                None => engine.expire(attempt).await,
                Some(outcome) => {
                    let stored = false;
                    let report = Report {
                        attempt,
                        outcome,
                        stored,
                    };
                    engine.report(vec![report]).await;
                }
            }
            compare(&engine, events, &after).await;
        }
        if rng.random_bool(0.15) {
            meddle(&engine, &mut rng, &tasks).await;
            compare(&engine, events, "operator").await;
        }
        if rng.random_bool(0.5) {
            let longest = [0.5, 3.0, 9.0, 40.0][rng.random_range(0..4)];
            let seconds = rng.random_range(0.0..longest);
            pass(&engine, seconds).await;
            compare(&engine, events, "time").await;
        }
        if rng.random_bool(0.5) {
            engine.sweep().await;
            compare(&engine, events, "timer").await;
        }
    }
    engine.verify().await;
}

impl Engine {
    /// Nothing waits, for a worker or for a time.
    async fn idle(&self) -> bool {
        let waiting = "SELECT (SELECT count(*) FROM pgmq.q_steps_tests) + (SELECT count(*) FROM tasker.step_delays)";
        self.count(waiting).await == 0
    }
}

fn shapes() -> Vec<Steps> {
    vec![linear(8), fan_in(9), layered(4, 4), diamonds(4)]
}

fn graphs(seed: u32) -> Vec<Steps> {
    (0..4)
        .map(|n| seeded_dag(u64::from(seed) * 4 + n, 3 + 4 * n as usize, 4))
        .collect()
}

#[tokio::test]
async fn chains_joins_layers_and_diamonds_are_ready_when_rails_says_so() {
    storm(shapes(), 1, Audit::Folded, Events::Common).await;
}

#[tokio::test]
async fn they_are_with_live_audit_too() {
    storm(shapes(), 2, Audit::Live, Events::Common).await;
}

#[tokio::test]
async fn a_policy_like_that_of_rails_ends_each_pause_at_the_same_moment() {
    let mut engine = Engine::new().await;
    let mut one = template_of("one", &linear(1), "");
    (one.steps[0].retry, one.steps[0].retry_limit) = (AS_RAILS, RETRY_LIMIT);
    templates::register(&engine.store, &one).await.unwrap();
    engine.submit_again("one").await;
    for _ in 1..RETRY_LIMIT {
        let attempt = engine.claim_one().await;
        engine.fail(attempt, StepError::retryable("x")).await;
        let same =
            "SELECT count(*) FROM tasker.step_delays d, get_step_readiness_status(d.task_id) r
                     WHERE r.workflow_step_id = d.workflow_step_id AND r.next_retry_at = d.due_at";
        assert_eq!(engine.count(same).await, 1, "{attempt:?}");
        engine.make_due().await;
        engine.sweep().await;
    }
    engine.verify().await;
}

proptest! {
    #![proptest_config(storms(4))]

    #[test]
    fn steps_of_random_graphs_are_ready_when_rails_says_so(seed: u32) {
        run(storm(graphs(seed), u64::from(seed), Audit::Folded, Events::Common));
    }

    #[test]
    fn whatever_happens_the_two_engines_differ_in_the_known_ways_only(seed: u32, live: bool) {
        let audit = if live { Audit::Live } else { Audit::Folded };
        run(storm(graphs(seed), u64::from(seed), audit, Events::All));
    }
}
