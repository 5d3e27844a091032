//! Databases for tests, on the server in the environment or on one of our own.

use sqlx::{Connection as _, PgConnection};
use tasker_testkit::TestDatabase;

#[tokio::test]
async fn a_migrated_database_has_the_schema_and_is_gone_after_the_test() {
    let database = TestDatabase::migrated().await.unwrap();
    let found: bool = sqlx::query_scalar("SELECT to_regclass('tasker_tasks') IS NOT NULL")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert!(found);
    let (name, url) = (database.name().to_owned(), database.url().to_owned());
    drop(database);
    let other = TestDatabase::empty().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_one(other.pool())
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert!(PgConnection::connect(&url).await.is_err());
}

#[tokio::test]
async fn an_empty_database_has_no_tables_and_no_superuser() {
    let database = TestDatabase::empty().await.unwrap();
    let (tables, superuser): (i64, String) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public'), \
         current_setting('is_superuser')",
    )
    .fetch_one(database.pool())
    .await
    .unwrap();
    assert_eq!((tables, superuser.as_str()), (0, "off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_made_at_once_do_not_see_each_other() {
    let make = || TestDatabase::migrated();
    let (a, b, c) = tokio::join!(make(), make(), make());
    let all = [a.unwrap(), b.unwrap(), c.unwrap()];
    for database in &all {
        sqlx::raw_sql("CREATE TABLE only_mine ()")
            .execute(database.pool())
            .await
            .unwrap();
    }
}
