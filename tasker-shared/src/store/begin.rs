//! The one way to begin a transaction on a pooled connection.

use sqlx::{PgPool, Postgres, Transaction};

use super::StoreError;

/// Begins a transaction.
///
/// Runs in a task of its own: a caller that is cancelled while `BEGIN` is under
/// way would otherwise hand a connection inside an open transaction back to the
/// pool, and the next borrower's acknowledged writes would vanish. Here the task
/// goes on, finds nobody waiting, and drops the transaction, which rolls back.
///
/// # Errors
/// As for acquiring a connection and running a statement.
#[allow(clippy::disallowed_methods)]
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    let pool = pool.clone();
    match tokio::spawn(async move { pool.begin().await }).await {
        Ok(begun) => Ok(begun?),
        Err(_) => Err(StoreError::ShuttingDown),
    }
}
