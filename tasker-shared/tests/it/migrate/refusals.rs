//! What a migration refuses, and that it says what to do.

use std::time::Duration;

use sqlx::PgPool;
use tasker_shared::store::migrate::{
    migrate, plan, status, MigrateError, MigrateOptions, SchemaStatus,
};

use tasker_testkit::{eventually, TestDatabase};

use super::catalog;
use super::paths::rails_database;

/// Takes the lock that migrations take; its key is what binaries of different
/// versions agree on.
const LOCK: &str = "SELECT pg_advisory_lock(x'7461736b6d696772'::bigint)";

async fn refusal(pool: &PgPool, options: &MigrateOptions) -> MigrateError {
    let error = migrate(pool, options).await.unwrap_err();
    assert_eq!(plan(pool, options).await.unwrap_err().code(), error.code());
    error
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    let options = MigrateOptions::default();
    migrate(database.pool(), &options).await.unwrap();
    run(
        database.pool(),
        "INSERT INTO tasker.schema_migrations (version, name, checksum) VALUES (9001, 'later', '')",
    )
    .await;
    let error = refusal(database.pool(), &options).await;
    assert!(error.to_string().contains("newer schema"), "{error}");
    let MigrateError::NewerSchema {
        database: at,
        binary,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(at, 9001);
    let newer = SchemaStatus::Newer {
        database: 9001,
        binary,
    };
    assert_eq!(status(database.pool()).await.unwrap(), newer);
}

#[tokio::test]
async fn a_migration_changed_after_it_ran_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    let options = MigrateOptions::default();
    migrate(database.pool(), &options).await.unwrap();
    run(
        database.pool(),
        "UPDATE tasker.schema_migrations SET checksum = 'other' WHERE version = 2",
    )
    .await;
    let error = refusal(database.pool(), &options).await;
    assert!(error.to_string().contains("0002_engine"), "{error}");
    assert_eq!(error.code(), "checksum_mismatch");
    assert_eq!(
        status(database.pool()).await.unwrap_err().code(),
        "checksum_mismatch"
    );
}

#[tokio::test]
async fn tables_that_are_not_the_rails_ones_are_refused_with_every_difference() {
    let database = rails_database().await;
    run(
        database.pool(),
        "ALTER TABLE tasker_tasks ALTER identity_hash TYPE text, ALTER context SET NOT NULL,
             ADD tenant integer NOT NULL, ALTER task_id DROP DEFAULT;
         DROP VIEW tasker_step_dag_relationships;
         ALTER TABLE tasker_workflow_steps DROP skippable;
         DROP TABLE tasker_task_annotations;
         DROP INDEX index_tasker_task_transitions_on_task_id_and_most_recent",
    )
    .await;
    let before = catalog::fingerprint(database.pool()).await;
    let error = refusal(database.pool(), &MigrateOptions::default()).await;
    let MigrateError::Incompatible { differences, .. } = &error else {
        panic!("{error}");
    };
    let found: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let expected = [
        "table tasker_task_annotations is missing",
        "table tasker_task_transitions has no unique index on (task_id, most_recent) where most_recent",
        "column tasker_tasks.task_id has no default",
        "column tasker_tasks.context must accept NULL",
        "column tasker_tasks.identity_hash is text instead of character varying(128)",
        "column tasker_tasks.tenant is unknown, NOT NULL and without default",
        "column tasker_workflow_steps.skippable (boolean) is missing",
    ];
    assert_eq!(found, expected);
    assert_eq!(catalog::fingerprint(database.pool()).await, before);
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Missing
    );
}

#[tokio::test]
async fn a_ledger_without_tables_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    let elsewhere = MigrateOptions {
        schema: "elsewhere".to_owned(),
        ..MigrateOptions::default()
    };
    let error = refusal(database.pool(), &elsewhere).await;
    assert_eq!(error.code(), "tables_missing");
}

#[tokio::test]
async fn a_migration_under_way_elsewhere_is_named_after_the_deadline() {
    let database = TestDatabase::empty().await.unwrap();
    let mut holder = database.pool().acquire().await.unwrap();
    run_on(&mut holder, LOCK).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *holder)
        .await
        .unwrap();
    let options = MigrateOptions {
        lock_wait: Duration::from_millis(50),
        ..MigrateOptions::default()
    };
    let error = migrate(database.pool(), &options).await.unwrap_err();
    assert!(error.is_transient());
    let MigrateError::LockTimeout { holder_pid, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(holder_pid, Some(pid));
    assert_eq!(
        status(database.pool()).await.unwrap(),
        SchemaStatus::Missing
    );
}

#[tokio::test]
async fn a_cancelled_migration_holds_nothing_up() {
    let database = TestDatabase::empty().await.unwrap();
    let mut holder = database.pool().acquire().await.unwrap();
    run_on(&mut holder, LOCK).await;
    let pool = database.pool().clone();
    let waiting = tokio::spawn(async move { migrate(&pool, &MigrateOptions::default()).await });
    let waiter = || async {
        let found: Option<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .fetch_optional(database.pool())
        .await
        .unwrap();
        found
    };
    eventually("a migration waits", Duration::from_secs(30), waiter).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    drop(holder.detach());
    let report = migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    assert_eq!(report.applied.len(), 5);
}

#[tokio::test]
async fn a_table_in_use_ends_the_step_instead_of_stopping_the_world() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    let mut writer = database.pool().acquire().await.unwrap();
    run_on(
        &mut writer,
        "BEGIN; LOCK TABLE tasker_tasks IN ROW EXCLUSIVE MODE",
    )
    .await;
    let options = MigrateOptions {
        lock_wait: Duration::from_millis(50),
        ..super::schema::rails_profile()
    };
    let error = migrate(database.pool(), &options).await.unwrap_err();
    assert_eq!(error.code(), "migration_blocked", "{error}");
    run_on(&mut writer, "COMMIT").await;
    assert_eq!(
        migrate(database.pool(), &options).await.unwrap().applied,
        ["profile_rails"]
    );
}

async fn run_on(conn: &mut sqlx::PgConnection, sql: &str) {
    sqlx::raw_sql(sql).execute(conn).await.unwrap();
}
