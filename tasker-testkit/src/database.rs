//! A database for one test, gone after it.
//!
//! Migrated databases are copies of a template, which the first test that needs one
//! makes. The template's name holds a digest of the migrations, so a long-lived
//! server never serves an old one.
//!
//! INVARIANT: a database has a template's name only when it is completely migrated and
//! takes no connections. It is made under another name, so one that a killed test left
//! half made is never used.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tasker_shared::store::migrate::{migrate, plan, MigrateOptions};
use tokio::sync::OnceCell;

use crate::test_server::{maintenance_url, with_database, KEEP_VARIABLE};

const POOL_SIZE: u32 = 10;

/// Any constant does: processes that make the template wait for each other on it.
const TEMPLATE_LOCK: i64 = 0x7461_736b_7465_7374;

/// A database of its own for one test; dropping it drops the database.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    maintenance_url: String,
    pool: PgPool,
}

impl TestDatabase {
    /// A database with Tasker's schema, as a fresh installation has it.
    pub async fn migrated() -> Result<Self> {
        let maintenance_url = maintenance_url().await?;
        let template = template(&maintenance_url).await?;
        Self::create(maintenance_url, Some(template)).await
    }

    /// A database with nothing in it.
    pub async fn empty() -> Result<Self> {
        Self::create(maintenance_url().await?, None).await
    }

    async fn create(maintenance_url: String, template: Option<&str>) -> Result<Self> {
        let name = fresh_name();
        let mut sql = format!("CREATE DATABASE {name}");
        if let Some(template) = template {
            sql.push_str(" TEMPLATE ");
            sql.push_str(template);
        }
        let mut maintenance = connect(&maintenance_url).await?;
        execute(&mut maintenance, sql).await?;
        maintenance.close().await?;
        let url = with_database(&maintenance_url, &name)?;
        let pool = PgPoolOptions::new()
            .max_connections(POOL_SIZE)
            .acquire_timeout(Duration::from_secs(30))
            .connect_lazy_with(options(&url)?);
        Ok(Self {
            name,
            url,
            maintenance_url,
            pool,
        })
    }

    /// URL of the database, for services and their configuration.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A pool of up to ten connections, opened as needed.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if env::var_os(KEEP_VARIABLE).is_some() {
            eprintln!("kept {}", self.url);
            return;
        }
        let url = self.maintenance_url.clone();
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A test may be dropped inside a runtime, which can not be blocked on, or
        // outside of one. A thread with its own serves both. Best effort: the server
        // may be down because the test was about that.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| runtime.block_on(run(&url, sql)))
        });
        let _ = thread.join();
    }
}

async fn run(url: &str, sql: String) -> Result<()> {
    let mut connection = connect(url).await?;
    execute(&mut connection, sql).await?;
    connection.close().await?;
    Ok(())
}

fn options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).context("the URL of the test database")?;
    Ok(options.application_name("tasker-testkit"))
}

async fn connect(url: &str) -> Result<PgConnection> {
    options(url)?
        .connect()
        .await
        .context("no connection to the test server")
}

/// Unique on the server, however many processes and machines test on it.
fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (pid, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("test_{:x}_{pid}_{number}", since_1970.as_micros())
}

/// Name of the migrated template, made at first use.
async fn template(maintenance_url: &str) -> Result<&'static str> {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let name = TEMPLATE
        .get_or_try_init(|| make_template(maintenance_url))
        .await?;
    Ok(name)
}

async fn make_template(maintenance_url: &str) -> Result<String> {
    let mut connection = connect(maintenance_url).await?;
    // Held until the connection ends.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut connection)
        .await?;
    let draft = fresh_name();
    execute(&mut connection, format!("CREATE DATABASE {draft}")).await?;
    let pool = pool_of_one(&with_database(maintenance_url, &draft)?).await?;
    let name = format!("tasker_template_{:016x}", digest(&pool).await?);
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        migrate(&pool, &MigrateOptions::default()).await?;
    }
    pool.close().await;
    let last = if exists {
        vec![format!("DROP DATABASE {draft} WITH (FORCE)")]
    } else {
        vec![
            // A database that somebody is connected to can not be copied.
            format!("ALTER DATABASE {draft} WITH ALLOW_CONNECTIONS false"),
            format!("ALTER DATABASE {draft} RENAME TO {name}"),
        ]
    };
    for sql in last {
        execute(&mut connection, sql).await?;
    }
    connection.close().await?;
    Ok(name)
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<()> {
    sqlx::raw_sql(&sql).execute(connection).await.context(sql)?;
    Ok(())
}

/// Digest of what the migration of an empty database runs.
async fn digest(empty: &PgPool) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for step in plan(empty, &MigrateOptions::default()).await? {
        step.name.hash(&mut hasher);
        step.sql.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

async fn pool_of_one(url: &str) -> Result<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options(url)?);
    pool.await.context("no connection to the test server")
}
