//! Slowest steps and tasks, health counts and analytics over three small tasks.

use sqlx::PgPool;
use tasker_testkit::TestDatabase;

use super::graph::Graph;

/// Three tasks: one complete after 100 s, one failed after 40 s, one running.
async fn three_tasks(pool: &PgPool) -> [Graph; 3] {
    let done = Graph::new(pool, "done", 300.0).await;
    for (state, age_seconds) in [("complete", 250.0), ("complete", 200.0)] {
        let step = done.step("attempts = 1").await;
        done.state(step, "in_progress", 260.0).await;
        done.state(step, state, age_seconds).await;
    }
    done.task_state("complete").await;
    let failed = Graph::new(pool, "failed", 300.0).await;
    for (attempts, state) in [(3, "error"), (1, "error")] {
        let step = failed
            .step(&format!(
                "attempts = {attempts}, last_attempted_at = timezone('UTC', now())"
            ))
            .await;
        failed.state(step, state, 260.0).await;
    }
    failed.task_state("error").await;
    let running = Graph::new(pool, "running", 300.0).await;
    let step = running.step("").await;
    running.step("").await;
    running.state(step, "in_progress", 10.0).await;
    [done, failed, running]
}

#[tokio::test]
async fn the_slowest_steps_are_listed_slowest_first() {
    let database = TestDatabase::migrated().await.unwrap();
    let [done, ..] = three_tasks(database.pool()).await;
    // Complete before it was made, as clocks of two machines may have it: left out.
    let early = done.step("created_at = timezone('UTC', now())").await;
    done.state(early, "complete", 100.0).await;
    let list = |sql: &'static str| {
        sqlx::query_as::<_, (i64, String, String, String, String, f64, i32, String)>(sql)
            .fetch_all(database.pool())
    };
    let found = list(
        "SELECT task_id, step_name, task_name, namespace_name, version, duration_seconds::float8,
                attempts, step_status
         FROM get_slowest_steps_v01()",
    )
    .await
    .unwrap();
    let durations: Vec<f64> = found.iter().map(|row| row.5.round()).collect();
    assert_eq!(durations, [100.0, 50.0]);
    let (task, step, name, namespace, version, _, attempts, status) = &found[0];
    assert_eq!((*task, *attempts), (done.task, 1));
    let texts = [step, name, namespace, version, status];
    assert_eq!(texts, ["step", "order", "shop", "0.1.0", "complete"]);

    for (arguments, expected) in [
        ("limit_count => 1", 1),
        (
            "namespace_filter => 'shop', task_name_filter => 'order', version_filter => '0.1.0'",
            2,
        ),
        ("namespace_filter => 'other'", 0),
        ("task_name_filter => 'other'", 0),
        ("version_filter => '9.9.9'", 0),
        ("since_timestamp => now() - interval '10 s'", 0),
    ] {
        for function in ["get_slowest_steps_v01", "get_slowest_tasks_v01"] {
            let sql = format!("SELECT count(*) FROM {function}({arguments})");
            let count: i64 = sqlx::query_scalar(&sql)
                .fetch_one(database.pool())
                .await
                .unwrap();
            assert_eq!(count, expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn the_slowest_tasks_count_each_step_once() {
    type Slow = (i64, f64, i64, i64, i64, String, Option<String>, f64);

    let database = TestDatabase::migrated().await.unwrap();
    let [done, failed, _] = three_tasks(database.pool()).await;
    let found: Vec<Slow> = sqlx::query_as(
        "SELECT task_id, round(duration_seconds)::float8, step_count, completed_steps, error_steps,
                initiator, source_system,
                round(extract(epoch FROM completed_at - created_at))::float8
         FROM get_slowest_tasks_v01()",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let test = || "test".to_owned();
    let expected = [
        (done.task, 100.0, 2, 2, 0, test(), None, 100.0),
        (failed.task, 40.0, 2, 0, 2, test(), None, 40.0),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn health_counts_go_by_the_most_recent_transition() {
    let database = TestDatabase::migrated().await.unwrap();
    three_tasks(database.pool()).await;
    let (tasks, steps, sane): (Vec<i64>, Vec<i64>, bool) = sqlx::query_as(
        "SELECT ARRAY[total_tasks, pending_tasks, in_progress_tasks, complete_tasks, error_tasks,
                      cancelled_tasks],
                ARRAY[total_steps, pending_steps, in_progress_steps, complete_steps, error_steps,
                      retryable_error_steps, exhausted_retry_steps, in_backoff_steps],
                active_connections BETWEEN 1 AND max_connections
         FROM get_system_health_counts_v01()",
    )
    .fetch_one(database.pool())
    .await
    .unwrap();
    assert_eq!(tasks, [3, 0, 0, 1, 1, 0]);
    assert_eq!(steps, [6, 0, 1, 2, 2, 1, 1, 1]);
    assert!(sane);
}

#[tokio::test]
async fn analytics_cover_the_period_asked_for() {
    let database = TestDatabase::migrated().await.unwrap();
    three_tasks(database.pool()).await;
    let metrics = |since: &'static str| {
        let sql = format!(
            "SELECT ARRAY[active_tasks_count, total_namespaces_count, unique_task_types_count,
                          task_throughput, completion_count, error_count, step_throughput],
                    concat_ws(' ', system_health_score, completion_rate, error_rate,
                              round(avg_task_duration), round(avg_step_duration)),
                    calculated_at > analysis_period_start
             FROM get_analytics_metrics_v01({since})"
        );
        let pool = database.pool().clone();
        async move {
            sqlx::query_as::<_, (Vec<i64>, String, bool)>(&sql)
                .fetch_one(&pool)
                .await
                .unwrap()
        }
    };
    let (counts, rates, ordered) = metrics("").await;
    assert_eq!(counts, [1, 1, 1, 3, 1, 1, 6]);
    assert_eq!(rates, "0.500 33.33 33.33 75 75");
    assert!(ordered);
    // Nothing was created lately; the health score still looks at an hour.
    let (counts, rates, _) = metrics("now() - interval '10 s'").await;
    assert_eq!(counts, [1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(rates, "0.500 0 0 0 0");
}
