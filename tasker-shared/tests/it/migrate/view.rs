//! The view over the step graph.

use sqlx::PgPool;

use tasker_testkit::TestDatabase;

use super::graph::Graph;

async fn graph() -> (TestDatabase, Graph) {
    let database = TestDatabase::migrated().await.unwrap();
    let graph = Graph::new(database.pool(), "view", 0.0).await;
    (database, graph)
}

async fn depth(pool: &PgPool, step: i64) -> Option<i32> {
    sqlx::query_scalar(
        "SELECT min_depth_from_root FROM tasker_step_dag_relationships WHERE workflow_step_id = $1",
    )
    .bind(step)
    .fetch_one(pool)
    .await
    .unwrap()
}

type Row = (String, String, i64, i64, bool, bool, Option<i32>);

#[tokio::test]
async fn a_step_shows_its_neighbours_and_its_shortest_way_from_a_root() {
    let (database, graph) = graph().await;
    // a -> b -> c -> d and the short cut a -> d; e stands alone.
    let s = graph.steps(5).await;
    for (parent, child) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
        graph.edge(s[parent], s[child]).await;
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT parent_step_ids::text, child_step_ids::text, parent_count, child_count,
                is_root_step, is_leaf_step, min_depth_from_root
         FROM tasker_step_dag_relationships WHERE task_id = $1 ORDER BY workflow_step_id",
    )
    .bind(graph.task)
    .fetch_all(database.pool())
    .await
    .unwrap();
    let ids = |indexes: &[usize]| {
        let ids: Vec<String> = indexes.iter().map(|i| s[*i].to_string()).collect();
        format!("[{}]", ids.join(", "))
    };
    let expected = [
        (ids(&[]), ids(&[1, 3]), 0, 2, true, false, Some(0)),
        (ids(&[0]), ids(&[2]), 1, 1, false, false, Some(1)),
        (ids(&[1]), ids(&[3]), 1, 1, false, false, Some(2)),
        (ids(&[0, 2]), ids(&[]), 2, 0, false, true, Some(1)),
        (ids(&[]), ids(&[]), 0, 0, true, true, Some(0)),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn depth_is_shown_to_fifty_levels_and_ends_on_a_cycle() {
    let (database, graph) = graph().await;
    let chain = graph.steps(52).await;
    for pair in chain.windows(2) {
        graph.edge(pair[0], pair[1]).await;
    }
    assert_eq!(depth(database.pool(), chain[50]).await, Some(50));
    assert_eq!(depth(database.pool(), chain[51]).await, None);

    let ring = graph.steps(3).await;
    for (parent, child) in [(0, 1), (1, 2), (2, 0)] {
        graph.edge(ring[parent], ring[child]).await;
    }
    assert_eq!(depth(database.pool(), ring[0]).await, None);
}

/// Two to the power of 25 paths lead to the last step.
#[tokio::test]
async fn stacked_diamonds_do_not_slow_the_view_down() {
    let (database, graph) = graph().await;
    let last = graph.diamonds(25).await;
    let mut conn = database.pool().acquire().await.unwrap();
    sqlx::raw_sql("SET statement_timeout = '5s'")
        .execute(&mut *conn)
        .await
        .unwrap();
    let depth: Option<i32> = sqlx::query_scalar(
        "SELECT min_depth_from_root FROM tasker_step_dag_relationships WHERE workflow_step_id = $1",
    )
    .bind(last)
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    assert_eq!(depth, Some(50));
}
