//! Wakes between processes, and the loss of the connection that hears them.

use std::time::Duration;

use tasker_shared::config::{Config, Secret};
use tasker_shared::messaging::Channel;
use tasker_shared::store::Store;
use tasker_testkit::{eventually, TestDatabase};

const PATIENCE: Duration = Duration::from_secs(30);

const LISTENERS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";

async fn store(database: &TestDatabase) -> Store {
    let mut config = Config::default();
    config.database.url = Some(Secret::new(database.url().to_owned()));
    Store::connect(&config).await.unwrap()
}

/// Waits until both stores listen.
async fn both_listen(database: &TestDatabase) {
    let sql = format!("SELECT count(*) {LISTENERS}");
    let probe = || async {
        let there: i64 = sqlx::query_scalar(&sql)
            .fetch_one(database.pool())
            .await
            .unwrap();
        (there == 2).then_some(())
    };
    eventually("both listen", PATIENCE, probe).await;
}

#[tokio::test]
async fn a_lost_listener_is_told_of_and_wakes_are_heard_again() {
    let database = TestDatabase::migrated().await.unwrap();
    let (telling, hearing) = (store(&database).await, store(&database).await);
    let missed = hearing.hub().missed();
    let results = hearing.hub().signal(&Channel::Results);
    assert!(missed.wait(PATIENCE).await, "it listens");
    assert!(results.wait(PATIENCE).await, "nobody knows what was before");
    telling.hub().wake(&Channel::Results);
    assert!(results.wait(PATIENCE).await, "heard");
    assert!(!missed.wait(Duration::ZERO).await, "and nothing was missed");

    both_listen(&database).await;
    let cut = format!("SELECT pg_terminate_backend(pid) {LISTENERS}");
    sqlx::query(&cut).execute(database.pool()).await.unwrap();
    assert!(missed.wait(PATIENCE).await, "it listens again");
    both_listen(&database).await;
    while results.wait(Duration::ZERO).await {}
    telling.hub().wake(&Channel::Results);
    assert!(results.wait(PATIENCE).await, "heard again");
}
