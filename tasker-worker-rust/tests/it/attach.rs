//! On the database of a Rails application: next to its engine, never in its way.

use serde_json::json;
use sqlx::PgPool;
use tasker_client::Include;
use tasker_shared::domain::State;
use tasker_shared::wire::{ResolveRequest, StepPhase};
use tasker_testkit::TestDatabase;

use crate::site::{complete, states, step, submit, Site};
use crate::templates::register_shipped;
use crate::verbs::{by_anna, refusal};

/// As the Rails engine leaves it: its schema and indexes, the tables of Rails
/// itself, and a task of three steps in a row in the midst of its run.
const RAILS: [&str; 4] = [
    include_str!("../../../migrations/0001_rails_tables.sql"),
    include_str!("../../../migrations/profile_rails.sql"),
    "CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
     CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar,
         created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);",
    "INSERT INTO tasker_task_namespaces (task_namespace_id, name, created_at, updated_at)
     OVERRIDING SYSTEM VALUE VALUES (11, 'shop', now(), now());
     INSERT INTO tasker_dependent_systems (dependent_system_id, name, created_at, updated_at)
     OVERRIDING SYSTEM VALUE VALUES (11, 'warehouse', now(), now());
     INSERT INTO tasker_named_tasks (named_task_id, name, task_namespace_id, created_at, updated_at)
     OVERRIDING SYSTEM VALUE VALUES (11, 'order', 11, now(), now());
     INSERT INTO tasker_named_steps (named_step_id, name, dependent_system_id, created_at, updated_at)
     OVERRIDING SYSTEM VALUE SELECT 10 + n, 'step_' || n, 11, now(), now() FROM generate_series(1, 3) n;
     INSERT INTO tasker_tasks (task_id, named_task_id, requested_at, initiator, identity_hash, context, created_at, updated_at)
     OVERRIDING SYSTEM VALUE VALUES (11, 11, now(), 'rails', 'of-rails', '{\"order_id\": 17}', now(), now());
     INSERT INTO tasker_workflow_steps (workflow_step_id, task_id, named_step_id, attempts, processed, results, created_at, updated_at)
     OVERRIDING SYSTEM VALUE
     SELECT 10 + n, 11, 10 + n, (n <= 2)::int, n = 1, CASE WHEN n = 1 THEN '{\"picked\": 3}'::jsonb END, now(), now()
       FROM generate_series(1, 3) n;
     INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
     VALUES (11, 12, 'provides', now(), now()), (12, 13, 'provides', now(), now());
     INSERT INTO tasker_task_transitions (task_id, to_state, sort_key, most_recent, created_at, updated_at)
     VALUES (11, 'pending', 10, false, now(), now()), (11, 'in_progress', 20, true, now(), now());
     INSERT INTO tasker_workflow_step_transitions (workflow_step_id, to_state, sort_key, most_recent, created_at, updated_at)
     VALUES (11, 'pending', 10, false, now(), now()), (11, 'in_progress', 20, false, now(), now()),
            (11, 'complete', 30, true, now(), now()), (12, 'pending', 10, false, now(), now()),
            (12, 'in_progress', 20, false, now(), now()), (12, 'error', 30, true, now(), now());",
];

/// Every row that belongs to the task of Rails.
async fn rails_rows(pool: &PgPool) -> Vec<String> {
    let sql = "SELECT t::text FROM tasker_tasks t WHERE task_id = 11
        UNION ALL SELECT s::text FROM tasker_workflow_steps s WHERE task_id = 11
        UNION ALL SELECT x::text FROM tasker_task_transitions x WHERE task_id = 11
        UNION ALL SELECT x::text FROM tasker_workflow_step_transitions x WHERE workflow_step_id IN (11, 12, 13)
        UNION ALL SELECT n::text FROM tasker_named_tasks n WHERE named_task_id = 11
        UNION ALL SELECT n::text FROM tasker_named_steps n WHERE named_step_id IN (11, 12, 13) ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

async fn rails_database() -> TestDatabase {
    let database = TestDatabase::empty().await.unwrap();
    for sql in RAILS {
        sqlx::raw_sql(sql).execute(database.pool()).await.unwrap();
    }
    database
}

#[tokio::test]
async fn workflows_run_beside_a_task_of_rails_which_is_shown_and_left_alone() {
    let site = Site::of(rails_database().await).await;
    let before = rails_rows(site.pool()).await;
    assert_eq!(before.len(), 16);
    let orchestrator = site.orchestrator().await;
    let _worker = site.worker_with(&["engine.audit=live"]).await;
    let client = &orchestrator.client;
    register_shipped(client, "examples/02_diamond").await;
    let task = submit(client, "examples/02_diamond", json!({"even_number": 6})).await;
    complete(client, &[task]).await;
    assert_eq!(step(client, task, "join").await.results["value"], 51_840);

    let shown = client
        .task(
            11,
            Include {
                steps: true,
                transitions: true,
            },
        )
        .await
        .unwrap();
    assert_eq!(
        (shown.driven_by_core, shown.state),
        (false, State::InProgress)
    );
    assert_eq!(shown.context, json!({"order_id": 17}));
    let expected = [
        ("step_1", State::Complete),
        ("step_2", State::Error),
        ("step_3", State::Pending),
    ];
    assert_eq!(
        states(client, 11).await,
        expected.map(|(name, state)| (name.to_owned(), state))
    );
    let phases: Vec<StepPhase> = shown.steps.unwrap().iter().map(|step| step.phase).collect();
    assert_eq!(
        phases,
        [
            StepPhase::Finished,
            StepPhase::External,
            StepPhase::External
        ]
    );
    assert_eq!(shown.transitions.unwrap().len(), 8);
    assert_eq!(
        client.explain(11).await.unwrap().steps[0].reason,
        "the Rails engine drives this task"
    );

    let (anna, resolve) = (by_anna(), ResolveRequest::default());
    let driven_by_rails = (409, "TSK-2003".to_owned());
    assert_eq!(
        refusal(client.cancel_task(11, &anna).await),
        driven_by_rails
    );
    assert_eq!(refusal(client.retry_task(11, &anna).await), driven_by_rails);
    assert_eq!(
        refusal(client.retry_step(11, 12, &anna).await),
        driven_by_rails
    );
    assert_eq!(
        refusal(client.cancel_step(11, 13, &anna).await),
        driven_by_rails
    );
    assert_eq!(
        refusal(client.resolve_step(11, 12, &resolve).await),
        driven_by_rails
    );
    assert_eq!(rails_rows(site.pool()).await, before);
    site.assert_sound().await;
}
