//! Where a task stands, branch by branch, and the levels of its graph, also where
//! the Rails engine's own function does not end.

use sqlx::PgPool;
use tasker_testkit::TestDatabase;

use super::graph::Graph;

type Context = (String, Vec<i64>, String, String, String, String);

const CONTEXT: &str = "
SELECT status, ARRAY[total_steps, pending_steps, in_progress_steps, completed_steps, failed_steps,
                     ready_steps],
       execution_status, recommended_action, completion_percentage::text, health_status
FROM get_task_execution_context($1)";

async fn context(pool: &PgPool, task: i64) -> Option<Context> {
    sqlx::query_as(CONTEXT)
        .bind(task)
        .fetch_optional(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn each_execution_status_is_reached() {
    // Steps of the task as (state, attributes); then counts and the verdict.
    type Case = (
        &'static [(&'static str, &'static str)],
        [i64; 6],
        [&'static str; 4],
    );
    const EXHAUSTED: (&str, &str) = ("error", "attempts = 3");
    const BACKING_OFF: (&str, &str) = ("error", "attempts = 2");

    let database = TestDatabase::migrated().await.unwrap();
    let ready = ["has_ready_steps", "execute_ready_steps"];
    let processing = ["processing", "wait_for_completion"];
    let blocked = ["blocked_by_failures", "handle_failures"];
    let complete = ["all_complete", "finalize_task"];
    let waiting = ["waiting_for_dependencies", "wait_for_dependencies"];
    let with =
        |verdict: [&'static str; 2], percent, health| [verdict[0], verdict[1], percent, health];
    let cases: [Case; 12] = [
        (&[], [0; 6], with(waiting, "0.0", "healthy")),
        (
            &[("", "")],
            [1, 1, 0, 0, 0, 1],
            with(ready, "0.00", "healthy"),
        ),
        (
            &[("", ""), ("in_progress", "")],
            [2, 1, 1, 0, 0, 1],
            with(ready, "0.00", "healthy"),
        ),
        (
            &[("in_progress", ""), ("error", "attempts = 3")],
            [2, 0, 1, 0, 1, 0],
            with(processing, "0.00", "blocked"),
        ),
        (
            &[("in_progress", ""), ("complete", "")],
            [2, 0, 1, 1, 0, 0],
            with(processing, "50.00", "healthy"),
        ),
        (
            &[EXHAUSTED],
            [1, 0, 0, 0, 1, 0],
            with(blocked, "0.00", "blocked"),
        ),
        (
            &[EXHAUSTED, ("", "")],
            [2, 1, 0, 0, 1, 1],
            with(ready, "0.00", "recovering"),
        ),
        (
            &[EXHAUSTED, BACKING_OFF],
            [2, 0, 0, 0, 2, 0],
            with(blocked, "0.00", "blocked"),
        ),
        (
            &[BACKING_OFF, ("complete", ""), ("complete", "")],
            [3, 0, 0, 2, 1, 0],
            with(waiting, "66.67", "recovering"),
        ),
        (
            &[("error", "retryable = false, attempts = 1")],
            [1, 0, 0, 0, 1, 0],
            with(waiting, "0.00", "recovering"),
        ),
        (
            &[("complete", ""), ("resolved_manually", "")],
            [2, 0, 0, 2, 0, 0],
            with(complete, "100.00", "healthy"),
        ),
        (
            &[("complete", ""), ("cancelled", "")],
            [2, 0, 0, 1, 0, 0],
            with(waiting, "50.00", "healthy"),
        ),
    ];
    for (number, (steps, counts, verdict)) in cases.into_iter().enumerate() {
        let graph = Graph::new(database.pool(), &format!("case {number}"), 0.0).await;
        for (state, attributes) in steps {
            let step = graph.step(attributes).await;
            if !state.is_empty() {
                graph.state(step, state, 0.0).await;
            }
        }
        let [execution, action, percent, health] = verdict.map(str::to_owned);
        let expected = (
            "pending".to_owned(),
            counts.to_vec(),
            execution,
            action,
            percent,
            health,
        );
        let found = context(database.pool(), graph.task).await;
        assert_eq!(found, Some(expected), "{steps:?}");
    }
}

#[tokio::test]
async fn contexts_come_in_order_and_only_for_tasks_that_exist() {
    let database = TestDatabase::migrated().await.unwrap();
    let one = Graph::new(database.pool(), "one", 0.0).await;
    let two = Graph::new(database.pool(), "two", 0.0).await;
    two.task_state("in_progress").await;
    assert_eq!(context(database.pool(), -1).await, None);
    let found: Vec<(i64, String)> =
        sqlx::query_as("SELECT task_id, status FROM get_task_execution_contexts_batch($1)")
            .bind(vec![two.task, -1, one.task, two.task])
            .fetch_all(database.pool())
            .await
            .unwrap();
    let expected = [
        (one.task, "pending".to_owned()),
        (two.task, "in_progress".to_owned()),
    ];
    assert_eq!(found, expected);
}

async fn levels(graph: &Graph) -> Vec<(i64, i32)> {
    let mut conn = graph.pool.acquire().await.unwrap();
    sqlx::raw_sql("SET statement_timeout = '5s'")
        .execute(&mut *conn)
        .await
        .unwrap();
    sqlx::query_as("SELECT * FROM calculate_dependency_levels($1)")
        .bind(graph.task)
        .fetch_all(&mut *conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_level_is_the_longest_way_from_a_root() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "levels", 0.0).await;
    assert_eq!(levels(&graph).await, []);
    let s = graph.steps(6).await;
    // A chain with short cuts, made in an order that is not the chain's.
    for (parent, child) in [(4, 2), (4, 0), (2, 0), (0, 1), (4, 1), (2, 1), (3, 1)] {
        graph.edge(s[parent], s[child]).await;
    }
    let expected = [
        (s[3], 0),
        (s[4], 0),
        (s[5], 0),
        (s[2], 1),
        (s[0], 2),
        (s[1], 3),
    ];
    assert_eq!(levels(&graph).await, expected);
}

#[tokio::test]
async fn levels_of_twenty_stacked_diamonds_take_no_time() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "diamonds", 0.0).await;
    let last = graph.diamonds(20).await;
    let found = levels(&graph).await;
    assert_eq!(found.len(), 61);
    assert_eq!(found.last(), Some(&(last, 40)));
}

#[tokio::test]
async fn steps_on_or_behind_a_cycle_have_no_level() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "cycle", 0.0).await;
    let s = graph.steps(5).await;
    for (parent, child) in [(0, 1), (1, 2), (2, 3), (3, 1), (3, 4)] {
        graph.edge(s[parent], s[child]).await;
    }
    assert_eq!(levels(&graph).await, [(s[0], 0)]);
}
