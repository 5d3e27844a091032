//! A role that owns nothing is told what to be granted, and needs no more.
//!
//! Making roles takes a superuser, whom the shared test server does not lend;
//! these tests have a cluster of their own.

use sqlx::PgPool;
use tasker_cluster::{Cluster, Settings};
use tasker_shared::store::migrate::{migrate, status, MigrateError, MigrateOptions, SchemaStatus};

use super::schema::rails_profile;

const RAILS: [&str; 2] = [
    include_str!("../../../../migrations/0001_rails_tables.sql"),
    include_str!("../../../../migrations/profile_rails.sql"),
];

struct Setting {
    cluster: Cluster,
    /// The ordinary role that owns database `shop`.
    owner: PgPool,
    /// May log in, and nothing else.
    stranger: PgPool,
}

impl Setting {
    async fn new() -> Self {
        let start = || Cluster::builder().settings(Settings::test()).start();
        let cluster = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
        cluster.create_database("shop").unwrap();
        cluster
            .execute("shop", "CREATE ROLE stranger LOGIN PASSWORD 'secret'")
            .unwrap();
        let owner = PgPool::connect_lazy(&cluster.url("shop")).unwrap();
        let options = (*owner.connect_options()).clone();
        let stranger = PgPool::connect_lazy_with(options.username("stranger").password("secret"));
        Self {
            cluster,
            owner,
            stranger,
        }
    }

    /// Closes the pools before their server goes away.
    async fn end(self) {
        self.owner.close().await;
        self.stranger.close().await;
        tokio::task::spawn_blocking(|| drop(self.cluster))
            .await
            .unwrap();
    }

    async fn missing_grants(&self) -> Vec<String> {
        match migrate(&self.stranger, &MigrateOptions::default())
            .await
            .unwrap_err()
        {
            MigrateError::MissingGrant { role, grants } => {
                assert_eq!(role, "stranger");
                grants
            }
            error => panic!("{error}"),
        }
    }
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_fresh_database_takes_two_grants() {
    let setting = Setting::new().await;
    let grants = setting.missing_grants().await;
    let expected = [
        "GRANT CREATE ON DATABASE \"shop\" TO \"stranger\"",
        "GRANT CREATE, USAGE ON SCHEMA \"public\" TO \"stranger\"",
    ];
    assert_eq!(grants, expected);
    setting.cluster.execute("shop", &grants.join(";")).unwrap();
    migrate(&setting.stranger, &MigrateOptions::default())
        .await
        .unwrap();
    setting.end().await;
}

#[tokio::test]
async fn attaching_takes_grants_on_the_tables_and_their_sequences() {
    let setting = Setting::new().await;
    for sql in RAILS {
        run(&setting.owner, sql).await;
    }
    let grants = setting.missing_grants().await;
    assert_eq!(grants.len(), 3, "{grants:#?}");
    assert_eq!(
        grants[0],
        "GRANT CREATE ON DATABASE \"shop\" TO \"stranger\""
    );
    let tables = "GRANT SELECT, INSERT, UPDATE ON \"public\".tasker_annotation_types, ";
    assert!(grants[1].starts_with(tables), "{}", grants[1]);
    let sequences = "GRANT USAGE ON SEQUENCE \"public\".tasker_annotation_types_annotation_";
    assert!(grants[2].starts_with(sequences), "{}", grants[2]);

    run(&setting.owner, &grants.join(";")).await;
    let report = migrate(&setting.stranger, &MigrateOptions::default())
        .await
        .unwrap();
    assert!(report.attached);
    let insert = "INSERT INTO tasker_task_namespaces (name, created_at, updated_at)
                  VALUES ('x', now(), now())";
    run(&setting.stranger, insert).await;
    setting.end().await;
}

/// The owner migrates; the role of a service may be granted less.
#[tokio::test]
async fn a_role_that_finds_nothing_to_do_needs_to_read_the_ledgers_only() {
    let setting = Setting::new().await;
    let superuser: bool =
        sqlx::query_scalar("SELECT usesuper FROM pg_user WHERE usename = current_user")
            .fetch_one(&setting.owner)
            .await
            .unwrap();
    assert!(!superuser);
    migrate(&setting.owner, &MigrateOptions::default())
        .await
        .unwrap();

    for (schema, ledger) in [
        ("tasker", "schema_migrations"),
        ("pgmq", "__pgmq_migrations"),
    ] {
        let grants = setting.missing_grants().await;
        let expected = [
            format!("GRANT USAGE ON SCHEMA {schema} TO \"stranger\""),
            format!("GRANT SELECT ON {schema}.{ledger} TO \"stranger\""),
        ];
        assert_eq!(grants, expected);
        run(&setting.owner, &grants.join(";")).await;
    }
    let report = migrate(&setting.stranger, &MigrateOptions::default())
        .await
        .unwrap();
    assert!(report.applied.is_empty());
    assert_eq!(
        status(&setting.stranger).await.unwrap(),
        SchemaStatus::Current
    );

    // No grant allows an index on a table of someone else.
    let error = migrate(&setting.stranger, &rails_profile())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "migration_denied", "{error}");
    setting.end().await;
}
