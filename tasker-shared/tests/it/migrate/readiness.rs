//! Readiness of single steps: each rule on its own, on tasks made by hand.

use sqlx::Row;
use tasker_testkit::TestDatabase;

use super::graph::Graph;

/// What the readiness function says of one step. Times as seconds from now.
#[derive(Debug, PartialEq)]
struct Readiness {
    state: String,
    dependencies_satisfied: bool,
    retry_eligible: bool,
    ready: bool,
    failed: Option<f64>,
    next_retry: Option<f64>,
    parents: (i32, i32),
    attempts: i32,
    retry_limit: i32,
}

async fn readiness(graph: &Graph, step: i64) -> Readiness {
    let mut tx = graph.pool.acquire().await.unwrap();
    let row = sqlx::query(
        "SELECT *, extract(epoch FROM last_failure_at - timezone('UTC', now()))::float8 AS failed,
                extract(epoch FROM next_retry_at - timezone('UTC', now()))::float8 AS next_retry
         FROM get_step_readiness_status($1, ARRAY[$2])",
    )
    .bind(graph.task)
    .bind(step)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(row.get::<i64, _>("workflow_step_id"), step);
    assert_eq!(row.get::<i64, _>("task_id"), graph.task);
    assert_eq!(row.get::<String, _>("name"), "step");
    Readiness {
        state: row.get("current_state"),
        dependencies_satisfied: row.get("dependencies_satisfied"),
        retry_eligible: row.get("retry_eligible"),
        ready: row.get("ready_for_execution"),
        failed: row.get("failed"),
        next_retry: row.get("next_retry"),
        parents: (row.get("total_parents"), row.get("completed_parents")),
        attempts: row.get("attempts"),
        retry_limit: row.get("retry_limit"),
    }
}

#[tokio::test]
async fn a_new_step_without_parents_is_ready() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "new", 0.0).await;
    let step = graph.step("attempts = NULL, retry_limit = NULL").await;
    let expected = Readiness {
        state: "pending".to_owned(),
        dependencies_satisfied: true,
        retry_eligible: true,
        ready: true,
        failed: None,
        next_retry: None,
        parents: (0, 0),
        attempts: 0,
        retry_limit: 3,
    };
    assert_eq!(readiness(&graph, step).await, expected);
}

#[tokio::test]
async fn a_step_waits_until_all_its_parents_are_complete_or_resolved() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "parents", 0.0).await;
    let s = graph.steps(4).await;
    for parent in &s[..3] {
        graph.edge(*parent, s[3]).await;
    }
    let expect = |ready: bool, done: i32| (ready, ready, (3, done));
    let seen = |r: Readiness| (r.dependencies_satisfied, r.ready, r.parents);
    assert_eq!(seen(readiness(&graph, s[3]).await), expect(false, 0));
    graph.state(s[0], "complete", 0.0).await;
    graph.state(s[1], "resolved_manually", 0.0).await;
    for unfinished in ["in_progress", "error", "cancelled", "pending"] {
        graph.state(s[2], unfinished, 0.0).await;
        assert_eq!(
            seen(readiness(&graph, s[3]).await),
            expect(false, 2),
            "{unfinished}"
        );
    }
    graph.state(s[2], "complete", 0.0).await;
    assert_eq!(seen(readiness(&graph, s[3]).await), expect(true, 3));
}

/// Each line alone decides: attributes, state and its age in seconds, whether
/// the step may be retried by count, whether it is ready.
#[tokio::test]
async fn each_condition_of_readiness_decides_alone() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "conditions", 0.0).await;
    let now = "timezone('UTC', now())";
    let cases: [(String, &str, f64, bool, bool); 20] = [
        (String::new(), "pending", 0.0, true, true),
        (String::new(), "in_progress", 0.0, true, false),
        (String::new(), "complete", 0.0, true, false),
        (String::new(), "cancelled", 0.0, true, false),
        (String::new(), "resolved_manually", 0.0, true, false),
        ("processed = true".into(), "pending", 0.0, true, false),
        ("in_process = true".into(), "pending", 0.0, true, false),
        ("retryable = false".into(), "pending", 0.0, true, false),
        ("attempts = 3".into(), "pending", 0.0, false, false),
        ("attempts = 2".into(), "pending", 0.0, true, true),
        ("attempts = 3, retry_limit = NULL".into(), "pending", 0.0, false, false),
        // After an error: 2 to the power of the attempts, at most 30 seconds.
        ("attempts = 1".into(), "error", 1.0, true, false),
        ("attempts = 1".into(), "error", 2.5, true, true),
        ("attempts = NULL".into(), "error", 1.5, true, false),
        ("attempts = NULL".into(), "error", 2.5, true, true),
        ("attempts = 9, retry_limit = 10".into(), "error", 28.0, true, false),
        ("attempts = 9, retry_limit = 10".into(), "error", 31.0, true, true),
        ("attempts = 1500, retry_limit = 2000".into(), "error", 31.0, true, true),
        // A requested back-off counts from the last attempt, in any state.
        (
            format!("attempts = 1, backoff_request_seconds = 60, last_attempted_at = {now}"),
            "pending",
            0.0,
            true,
            false,
        ),
        (
            format!("attempts = 1, backoff_request_seconds = 60, last_attempted_at = {now} - interval '61 s'"),
            "error",
            2.5,
            true,
            true,
        ),
    ];
    for (attributes, state, age_seconds, eligible, ready) in cases {
        let step = graph.step(&attributes).await;
        graph.state(step, state, age_seconds).await;
        let found = readiness(&graph, step).await;
        let case = format!("{state} {age_seconds} s ago, {attributes}: {found:?}");
        assert_eq!(found.state, state, "{case}");
        assert_eq!(found.retry_eligible, eligible, "{case}");
        assert_eq!(found.ready, ready, "{case}");
        assert!(found.dependencies_satisfied, "{case}");
        assert_eq!(found.failed.is_some(), state == "error", "{case}");
    }
}

#[tokio::test]
async fn the_next_retry_is_the_requested_one_before_the_computed_one() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "retry", 0.0).await;
    let near = |found: Option<f64>, expected: f64| {
        assert!(
            (found.unwrap() - expected).abs() < 5.0,
            "{found:?} is not about {expected}"
        );
    };
    // Requested 100 s from now, computed 20 s ago.
    let both = graph
        .step("attempts = 4, retry_limit = 9, backoff_request_seconds = 100, last_attempted_at = timezone('UTC', now())")
        .await;
    graph.state(both, "error", 36.0).await;
    let found = readiness(&graph, both).await;
    near(found.failed, -36.0);
    near(found.next_retry, 100.0);
    assert!(!found.ready);
    // Requested is over, computed is not: shown is the former, yet not ready.
    let earlier = graph
        .step(
            "attempts = 5, retry_limit = 9, backoff_request_seconds = 1,
               last_attempted_at = timezone('UTC', now()) - interval '600 s'",
        )
        .await;
    graph.state(earlier, "error", 0.0).await;
    let found = readiness(&graph, earlier).await;
    near(found.next_retry, -599.0);
    assert!(!found.ready);
    // Nothing requested.
    let computed = graph.step("attempts = 5, retry_limit = 9").await;
    graph.state(computed, "error", 0.0).await;
    near(readiness(&graph, computed).await.next_retry, 30.0);
}

#[tokio::test]
async fn readiness_does_not_depend_on_the_time_zone_of_the_session() {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "zone", 0.0).await;
    let step = graph.step("attempts = 1").await;
    graph.state(step, "error", 3.0).await;
    for zone in ["UTC", "America/New_York", "Asia/Tokyo"] {
        let mut conn = database.pool().acquire().await.unwrap();
        sqlx::raw_sql(&format!("SET timezone = '{zone}'"))
            .execute(&mut *conn)
            .await
            .unwrap();
        let ready: bool =
            sqlx::query_scalar("SELECT ready_for_execution FROM get_step_readiness_status($1)")
                .bind(graph.task)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
        assert!(ready, "{zone}");
        sqlx::raw_sql("SET timezone = 'UTC'")
            .execute(&mut *conn)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn readiness_covers_the_steps_of_the_tasks_asked_for() {
    let database = TestDatabase::migrated().await.unwrap();
    let one = Graph::new(database.pool(), "one", 0.0).await;
    let two = Graph::new(database.pool(), "two", 0.0).await;
    let a = one.steps(3).await;
    let b = two.steps(2).await;
    let ids = |sql: &'static str| {
        sqlx::query_scalar::<_, i64>(sql)
            .bind(one.task)
            .bind(two.task)
            .bind(a[1])
    };
    let cases = [
        ("SELECT workflow_step_id FROM get_step_readiness_status($1) WHERE $2 > 0 AND $3 > 0", a.clone()),
        ("SELECT workflow_step_id FROM get_step_readiness_status($1, ARRAY[$3, $2 + 9999])", vec![a[1]]),
        ("SELECT workflow_step_id FROM get_step_readiness_status($1, '{}') WHERE $2 > 0 AND $3 > 0", vec![]),
        (
            "SELECT workflow_step_id FROM get_step_readiness_status_batch(ARRAY[$2, $1, $1, -1]) WHERE $3 > 0",
            [a.clone(), b].concat(),
        ),
        ("SELECT workflow_step_id FROM get_step_readiness_status_batch('{}') WHERE $1 + $2 + $3 > 0", vec![]),
    ];
    for (sql, expected) in cases {
        let mut found = ids(sql).fetch_all(database.pool()).await.unwrap();
        found.sort_unstable();
        assert_eq!(found, expected, "{sql}");
    }
}
