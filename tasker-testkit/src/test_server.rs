//! The PostgreSQL server under the tests: the one in the environment, else a private
//! cluster that this process starts at first use.
//!
//! That cluster lives in a static, which nothing drops: its watchdog stops it and
//! removes its files when the process ends.

use std::env;
use std::sync::OnceLock;

use anyhow::{anyhow, Context as _, Result};
use tasker_cluster::{Cluster, Settings};
use tokio::task::spawn_blocking;

/// URL of the server to test on. Its role must be allowed to create databases; its
/// database is only connected to in order to create others.
pub const DATABASE_URL_VARIABLE: &str = "TASKER_TEST_DATABASE_URL";

/// When set, test databases are kept, and their URLs printed.
pub const KEEP_VARIABLE: &str = "TASKER_TEST_KEEP";

/// The URL of the server's maintenance database.
pub(crate) async fn maintenance_url() -> Result<String> {
    if let Ok(url) = env::var(DATABASE_URL_VARIABLE) {
        return Ok(url);
    }
    spawn_blocking(own_cluster).await?
}

fn own_cluster() -> Result<String> {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    let started = CLUSTER.get_or_init(|| {
        let builder = Cluster::builder().settings(Settings::test());
        builder.start().map_err(|error| error.to_string())
    });
    match started {
        Ok(cluster) => Ok(cluster.url("postgres")),
        Err(error) => Err(anyhow!("{error}")).context("no PostgreSQL to test on"),
    }
}

/// `url` with another database in its path.
pub(crate) fn with_database(url: &str, database: &str) -> Result<String> {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address
        .split_once("://")
        .with_context(|| format!("{DATABASE_URL_VARIABLE} is not a URL"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    Ok(format!("{scheme}://{authority}/{database}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_changes() {
        for (url, expected) in [
            (
                "postgres://u:p@h:5/db?host=/a/b",
                "postgres://u:p@h:5/x?host=/a/b",
            ),
            ("postgres://u@h/db", "postgres://u@h/x"),
            ("postgres://h", "postgres://h/x"),
        ] {
            assert_eq!(with_database(url, "x").unwrap(), expected);
        }
        assert!(with_database("localhost/db", "x").is_err());
    }
}
