//! PGMQ in the database: whether it is there, how it came, and its installation.
//!
//! PGMQ is installed as plain SQL, without extension or superuser, by the
//! installer of its crate. Where it came as an extension or by hand it belongs
//! to someone else and is left alone, provided it has what the engine calls.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::PgConnection;

use super::error::MigrateError;
use super::observe::is_readable;

/// How PGMQ came into the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pgmq {
    Absent,
    /// By the crate's SQL, at this version.
    Embedded {
        version: String,
    },
    /// As an extension or by hand: left alone. Lists functions it lacks.
    Foreign {
        missing: Vec<String>,
    },
}

impl Pgmq {
    /// Version of the SQL in the pgmq crate this binary is built with.
    pub(super) const EMBEDDED_VERSION: &'static str = "1.11.1";

    /// Absent, or older than what the crate carries.
    pub(super) fn needs_install(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Embedded { version } => numbers(version) < numbers(Self::EMBEDDED_VERSION),
            Self::Foreign { .. } => false,
        }
    }
}

/// "1.11.1" as numbers, so that 1.9 comes before 1.11.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|n| n.parse().unwrap_or(0)).collect()
}

/// PGMQ functions without which the engine cannot work.
const PGMQ_FUNCTIONS: [&str; 5] = ["create", "delete", "drop_queue", "read", "send"];

pub(super) async fn observe(conn: &mut PgConnection) -> Result<Pgmq, MigrateError> {
    let (extension, found): (bool, Vec<String>) = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pgmq'),
                ARRAY(SELECT DISTINCT p.proname::text
                      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                      WHERE n.nspname = 'pgmq' AND p.proname = ANY ($1))",
    )
    .bind(&PGMQ_FUNCTIONS[..])
    .fetch_one(&mut *conn)
    .await?;
    // The installer leaves an empty ledger behind when only asked for its
    // version, so functions decide whether anything is there.
    if !extension && found.is_empty() {
        return Ok(Pgmq::Absent);
    }
    if extension || !is_readable(conn, "pgmq", "__pgmq_migrations").await? {
        let lacks = |name: &&str| !found.iter().any(|f| f == name);
        let missing = PGMQ_FUNCTIONS
            .into_iter()
            .filter(lacks)
            .map(str::to_owned)
            .collect();
        return Ok(Pgmq::Foreign { missing });
    }
    let versions: Vec<String> = sqlx::query_scalar("SELECT version FROM pgmq.__pgmq_migrations")
        .fetch_all(conn)
        .await?;
    let newest = versions.into_iter().max_by_key(|version| numbers(version));
    Ok(Pgmq::Embedded {
        version: newest.unwrap_or_default(),
    })
}

/// Runs the crate's installer: one transaction of its own. It wants a pool; a
/// private one, closed at once, also keeps a cancelled BEGIN away from other
/// borrowers.
pub(super) async fn install(settings: PgConnectOptions) -> Result<(), pgmq::PgmqError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(settings);
    let result = pgmq::install::install_sql_from_embedded(&pool).await;
    pool.close().await;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgmq_versions_compare_by_number() {
        let at = |version: &str| Pgmq::Embedded {
            version: version.to_owned(),
        };
        assert!(at("1.9.0").needs_install());
        assert!(!at(Pgmq::EMBEDDED_VERSION).needs_install());
        assert!(!at("2.0.0").needs_install());
    }

    #[test]
    fn pgmq_installed_by_other_means_is_left_alone() {
        assert!(!Pgmq::Foreign {
            missing: Vec::new()
        }
        .needs_install());
    }
}
