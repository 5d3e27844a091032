//! The rules as the benchmark has them, one statement for a task, against the function:
//! two renderings of one description, on rows that no engine would write.

use tasker_testkit::seeded_dag;

use super::super::harness::{template_of, Engine};
use tasker_shared::store::templates;

const RULES: &str = include_str!("../../../../../tasker-bench/sql/rails_readiness.sql");

#[tokio::test]
async fn the_rules_as_one_statement_answer_every_row_as_the_function_does() {
    let engine = Engine::new().await;
    let mut tasks = Vec::new();
    for n in 0..12 {
        let name = format!("random_{n}");
        let dag = seeded_dag(n, 20, 4);
        templates::register(&engine.store, &template_of(&name, &dag, ""))
            .await
            .unwrap();
        tasks.push(engine.submit_again(&name).await.task_id);
    }
    assert_same(&engine, &tasks, 0).await;
    for seed in 1..=10 {
        scramble(&engine, seed).await;
        assert_same(&engine, &tasks, seed).await;
    }
    let of_each_kind =
        "SELECT count(DISTINCT (ready_for_execution, dependencies_satisfied, current_state))
          FROM tasker_tasks t, get_step_readiness_status(t.task_id)";
    assert!(
        engine.count(of_each_kind).await >= 12,
        "too few kinds of rows"
    );
}

async fn assert_same(engine: &Engine, tasks: &[i64], seed: i32) {
    let function = "SELECT * FROM get_step_readiness_status($1)";
    let differing = format!(
        "SELECT count(*) FROM (
            (SELECT * FROM ({RULES}) a EXCEPT ALL {function})
            UNION ALL
            ({function} EXCEPT ALL SELECT * FROM ({RULES}) b)) differing"
    );
    for task in tasks {
        let count: i64 = sqlx::query_scalar(&differing)
            .bind(task)
            .fetch_one(engine.store.pool())
            .await
            .unwrap();
        assert_eq!(count, 0, "task {task}, seed {seed}");
    }
}

/// Gives steps and transitions values of all kinds, at random, and some steps parents in
/// other tasks.
async fn scramble(engine: &Engine, seed: i32) {
    let statements = [
        format!("SELECT setseed({seed} / 100.0)"),
        "INSERT INTO tasker_workflow_step_transitions
                (workflow_step_id, to_state, sort_key, most_recent, created_at, updated_at)
         SELECT workflow_step_id, 'pending', 10, true, now(), now()
           FROM tasker_workflow_steps WHERE random() < 0.3
         ON CONFLICT DO NOTHING"
            .to_owned(),
        "UPDATE tasker_workflow_step_transitions
            SET to_state = (ARRAY['pending', 'in_progress', 'complete', 'complete', 'complete', 'error',
                                  'error', 'cancelled', 'resolved_manually'])[1 + floor(random() * 9)],
                created_at = (now() AT TIME ZONE 'UTC') - random() * interval '60 s'"
            .to_owned(),
        "UPDATE tasker_workflow_steps
            SET attempts = (ARRAY[NULL, -1, 0, 1, 2, 3, 4, 5, 6, 40])[1 + floor(random() * 10)],
                retry_limit = (ARRAY[NULL, 0, 3, 9, 50, 50])[1 + floor(random() * 6)],
                retryable = random() < 0.8, in_process = random() < 0.2, processed = random() < 0.2,
                backoff_request_seconds = (ARRAY[NULL, NULL, 0, 20, 40, 3600])[1 + floor(random() * 6)],
                last_attempted_at = CASE WHEN random() < 0.7
                    THEN (now() AT TIME ZONE 'UTC') - random() * interval '60 s' END"
            .to_owned(),
        "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
         SELECT a.workflow_step_id, b.workflow_step_id, 'provides', now(), now()
           FROM tasker_workflow_steps a, tasker_workflow_steps b
          WHERE a.task_id <> b.task_id AND random() < 0.0005"
            .to_owned(),
    ];
    let mut connection = engine.store.pool().acquire().await.unwrap();
    for statement in &statements {
        sqlx::query(statement)
            .execute(&mut *connection)
            .await
            .unwrap();
    }
}
