//! What PostgreSQL says of itself: counters, settings, and the price of a commit.
//!
//! Transactions that wrote are counted by the ids they took and WAL by its position:
//! both are exact at once. `pg_stat_database` also counts transactions that only read,
//! but a backend reports there when it pleases, up to ten seconds late; so it is read
//! while no other backend is connected.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use sqlx::{PgPool, Row as _};

use crate::stats::{nearest_rank, rounded};

/// Commits of one probe.
pub(crate) const PROBE_COMMITS: u64 = 200;
const ALONE_WITHIN: Duration = Duration::from_secs(10);

/// Positions that only grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// Bytes of WAL ever written.
    pub(crate) wal_bytes: i64,
    /// Transactions that ever wrote.
    pub(crate) writing_transactions: i64,
}

pub(crate) async fn counters(pool: &PgPool) -> Result<Counters> {
    let row = sqlx::query(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal,
                pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid",
    )
    .fetch_one(pool)
    .await?;
    Ok(Counters {
        wal_bytes: row.try_get("wal")?,
        writing_transactions: row.try_get("xid")?,
    })
}

/// Transactions of the database so far, reading ones included.
pub(crate) async fn transactions(pool: &PgPool) -> Result<i64> {
    // The caller's own connections count at once.
    let mut connections = Vec::new();
    // One that is on its way back is waited for or replaced, and then there are more.
    while connections.len() < pool.size() as usize {
        let mut connection = pool.acquire().await?;
        sqlx::query("SELECT pg_stat_force_next_flush()")
            .execute(&mut *connection)
            .await?;
        connections.push(connection);
    }
    drop(connections);
    let count = sqlx::query_scalar(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
    );
    Ok(count.fetch_one(pool).await?)
}

/// Waits until nobody else is connected to the database: ended backends have counted.
pub(crate) async fn alone(pool: &PgPool) -> Result<()> {
    let end = Instant::now() + ALONE_WITHIN;
    loop {
        let connections: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
              WHERE datname = current_database() AND backend_type = 'client backend'",
        )
        .fetch_one(pool)
        .await?;
        let others = connections - i64::from(pool.size());
        if others <= 0 {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("{others} connections of the services are still there");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Median time of a transaction that writes one row, in milliseconds.
pub(crate) async fn commit_probe(pool: &PgPool) -> Result<f64> {
    let mut connection = pool.acquire().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS tasker_bench_probe (n bigint)")
        .execute(&mut *connection)
        .await?;
    let mut times = Vec::new();
    for n in 0..PROBE_COMMITS {
        let since = Instant::now();
        sqlx::query("INSERT INTO tasker_bench_probe VALUES ($1)")
            .bind(n as i64)
            .execute(&mut *connection)
            .await?;
        times.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    sqlx::query("DROP TABLE tasker_bench_probe")
        .execute(&mut *connection)
        .await?;
    times.sort_by(f64::total_cmp);
    Ok(rounded(nearest_rank(&times, 50.0)))
}

/// The version, and the settings of the server that are not PostgreSQL's own; the two
/// that decide what a commit means are always there.
pub(crate) async fn describe(pool: &PgPool) -> Result<(String, BTreeMap<String, String>)> {
    let version = sqlx::query_scalar("SHOW server_version")
        .fetch_one(pool)
        .await?;
    let rows = sqlx::query(
        "SELECT name, current_setting(name) AS value FROM pg_settings
          WHERE name IN ('fsync', 'synchronous_commit')
             OR (source IN ('configuration file', 'command line', 'database', 'user')
                 AND reset_val IS DISTINCT FROM boot_val
                 AND category NOT LIKE 'File Locations%' AND category NOT LIKE 'Reporting and Logging%'
                 AND category NOT LIKE '%Locale and Formatting'
                 AND name NOT IN ('port', 'unix_socket_directories', 'listen_addresses'))
          ORDER BY name",
    )
    .fetch_all(pool)
    .await?;
    let mut settings = BTreeMap::new();
    for row in rows {
        settings.insert(row.try_get("name")?, row.try_get("value")?);
    }
    Ok((version, settings))
}
