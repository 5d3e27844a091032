//! The ways a database comes to the current schema.

use sqlx::PgPool;
use tasker_shared::store::migrate::{
    migrate, plan, status, MigrateOptions, MigrationReport, SchemaStatus,
};

use tasker_testkit::TestDatabase;

use super::catalog;
use super::schema::rails_profile;

const ALL_STEPS: [&str; 5] = [
    "ledger",
    "0001_rails_tables",
    "0002_engine",
    "0003_event_cursors",
    "pgmq",
];

/// A database as the Rails engine leaves it: its whole schema and the two
/// tables of Rails itself, but nothing of this engine.
pub(crate) async fn rails_database() -> TestDatabase {
    let database = TestDatabase::empty().await.unwrap();
    for sql in [
        include_str!("../../../../migrations/0001_rails_tables.sql"),
        include_str!("../../../../migrations/profile_rails.sql"),
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
         CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar,
             created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
         INSERT INTO tasker_task_namespaces (name, created_at, updated_at)
         VALUES ('default', now(), now())",
    ] {
        sqlx::raw_sql(sql).execute(database.pool()).await.unwrap();
    }
    database
}

async fn run(pool: &PgPool) -> MigrationReport {
    migrate(pool, &MigrateOptions::default()).await.unwrap()
}

async fn scalar<T>(pool: &PgPool, sql: &str) -> T
where
    T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
{
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_fresh_database_is_migrated_once_and_needs_no_extension() {
    let database = TestDatabase::empty().await.unwrap();
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Missing
    );

    let report = run(database.pool()).await;
    assert_eq!(report.applied, ALL_STEPS);
    assert!(!report.attached);
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Current
    );
    assert_eq!(run(database.pool()).await, MigrationReport::default());

    let extensions: i64 = scalar(
        database.pool(),
        "SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql'",
    )
    .await;
    assert_eq!(extensions, 0);
    sqlx::raw_sql("SELECT pgmq.create('steps_default'); SELECT pgmq.send('steps_default', '{}')")
        .execute(database.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn attaching_leaves_the_rails_catalog_untouched() {
    let database = rails_database().await;
    let before = catalog::fingerprint(database.pool()).await;
    assert!(before.len() > 500);

    // Asking for the Rails profile changes nothing of that either.
    let report = migrate(database.pool(), &rails_profile()).await.unwrap();
    assert!(report.attached);
    assert_eq!(
        report.applied,
        [
            "ledger",
            "0001_rails_tables (attach)",
            "0002_engine",
            "0003_event_cursors",
            "pgmq"
        ]
    );
    let after = catalog::fingerprint(database.pool()).await;
    let changed: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(changed, Vec::<&String>::new());
    assert_eq!(before.len(), after.len());

    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Current
    );
    let again = run(database.pool()).await;
    assert!(again.attached && again.applied.is_empty());
}

#[tokio::test]
async fn eight_concurrent_migrations_run_each_step_once() {
    let database = TestDatabase::empty().await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let pool = database.pool().clone();
            tokio::spawn(async move { run(&pool).await.applied })
        })
        .collect();
    let mut applied = Vec::new();
    for task in tasks {
        applied.extend(task.await.unwrap());
    }
    assert_eq!(applied, ALL_STEPS);
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Current
    );
}

#[tokio::test]
async fn a_pool_of_one_connection_in_use_does_not_block_a_migration() {
    let database = TestDatabase::empty().await.unwrap();
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with((*database.pool().connect_options()).clone());
    let borrowed = pool.acquire().await.unwrap();
    assert_eq!(run(&pool).await.applied, ALL_STEPS);
    drop(borrowed);
}

#[tokio::test]
async fn the_plan_is_the_text_that_runs() {
    let database = TestDatabase::empty().await.unwrap();
    let options = rails_profile();
    let planned = plan(database.pool(), &options).await.unwrap();
    let names: Vec<&str> = planned.iter().map(|step| step.name.as_str()).collect();
    let expected = [
        "ledger",
        "0001_rails_tables",
        "0002_engine",
        "0003_event_cursors",
        "profile_rails",
        "pgmq",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Missing
    );

    for step in &planned {
        sqlx::raw_sql(&step.sql)
            .execute(database.pool())
            .await
            .unwrap();
    }
    let pending = SchemaStatus::Pending {
        steps: vec!["pgmq".to_owned()],
    };
    assert_eq!(status(database.pool()).await.unwrap(), pending);
    let report = migrate(database.pool(), &options).await.unwrap();
    assert_eq!(report.applied, ["pgmq"]);
    assert!(plan(database.pool(), &options).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_rails_profile_can_be_added_later_and_is_completed_if_part_is_missing() {
    let database = TestDatabase::empty().await.unwrap();
    run(database.pool()).await;
    let steps = |report: MigrationReport| report.applied;
    let options = rails_profile();
    assert_eq!(
        steps(migrate(database.pool(), &options).await.unwrap()),
        ["profile_rails"]
    );
    assert_eq!(
        steps(migrate(database.pool(), &options).await.unwrap()),
        [""; 0]
    );

    sqlx::raw_sql("DROP INDEX tasks_tags_idx; ALTER TABLE tasker_tasks DROP CONSTRAINT tasks_named_task_id_foreign")
        .execute(database.pool())
        .await
        .unwrap();
    assert_eq!(
        steps(migrate(database.pool(), &options).await.unwrap()),
        ["profile_rails"]
    );
    assert_eq!(
        steps(migrate(database.pool(), &options).await.unwrap()),
        [""; 0]
    );
}

#[tokio::test]
async fn the_tables_can_live_in_a_schema_of_any_name() {
    let database = TestDatabase::empty().await.unwrap();
    let options = MigrateOptions {
        schema: "Order \"Desk\"".to_owned(),
        ..rails_profile()
    };
    migrate(database.pool(), &options).await.unwrap();
    let tables: Vec<(String, i64)> = sqlx::query_as(
        "SELECT relnamespace::regnamespace::text, count(*) FROM pg_class
         WHERE relkind = 'r' AND relname LIKE 'tasker\\_%' GROUP BY 1",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    assert_eq!(tables, [("\"Order \"\"Desk\"\"\"".to_owned(), 13)]);
    assert!(migrate(database.pool(), &options)
        .await
        .unwrap()
        .applied
        .is_empty());
}

#[tokio::test]
async fn pgmq_is_installed_at_the_version_the_plan_names() {
    let database = TestDatabase::empty().await.unwrap();
    let planned = plan(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    run(database.pool()).await;
    let installed = pgmq::install::installed_version(database.pool())
        .await
        .unwrap()
        .unwrap();
    let text = &planned.last().unwrap().sql;
    assert!(
        text.contains(&format!("PGMQ {installed} ")),
        "{installed}: {text}"
    );
}

#[tokio::test]
async fn pgmq_that_came_by_other_means_is_left_alone() {
    let database = TestDatabase::empty().await.unwrap();
    pgmq::install::install_sql_from_embedded(database.pool())
        .await
        .unwrap();
    sqlx::raw_sql("DROP TABLE pgmq.__pgmq_migrations")
        .execute(database.pool())
        .await
        .unwrap();
    assert_eq!(run(database.pool()).await.applied, &ALL_STEPS[..4]);
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Current
    );
}

#[tokio::test]
async fn an_interrupted_migration_goes_on_where_it_stopped() {
    let database = TestDatabase::empty().await.unwrap();
    let planned = plan(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    for step in &planned[..2] {
        sqlx::raw_sql(&step.sql)
            .execute(database.pool())
            .await
            .unwrap();
    }
    let report = run(database.pool()).await;
    assert_eq!(report.applied, &ALL_STEPS[2..]);
    assert!(!report.attached);
}
