//! Opening the store as a service does: patient with a database that is not up
//! yet, strict with one that does not fit.

use std::time::{Duration, Instant};

use super::migrate::{self, MigrateError, MigrateOptions, SchemaStatus};
use super::{begin, queue, Store, StoreError};
use crate::config::{Config, IndexProfile};
use crate::supervise::Pause;

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database could not be reached within {tried_seconds} s ({place}): {source}")]
    Unreachable {
        tried_seconds: u64,
        /// Name and address, without user and password.
        place: String,
        source: StoreError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("the database is not migrated: {lack}; run `tasker migrate`, or set database.migrate_on_start")]
    NotMigrated {
        /// What it is without, as a clause.
        lack: String,
    },
}

impl Store {
    /// Connects, going on for `database.connect_retry_seconds`, and brings the
    /// schema up to date or checks that it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        let store = Self::connect_patiently(config).await?;
        if config.database.migrate_on_start {
            migrate::migrate(store.pool(), &migrate_options(config)).await?;
        } else {
            check(migrate::status(store.pool()).await?)?;
        }
        let mut transaction = begin(store.pool()).await?;
        // Many processes start at once, and only one may make the queue.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('tasker.results_queue'))")
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::from)?;
        queue::ensure_results_queue(&mut transaction).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(store)
    }

    async fn connect_patiently(config: &Config) -> Result<Self, OpenError> {
        let patience = Duration::from_secs(config.database.connect_retry_seconds);
        let since = Instant::now();
        let mut pause = Pause::default();
        loop {
            let error = match Self::connect(config).await {
                Ok(store) => return Ok(store),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error.into()),
            };
            if since.elapsed() >= patience {
                return Err(OpenError::Unreachable {
                    tried_seconds: patience.as_secs(),
                    place: super::place(&config.database),
                    source: error,
                });
            }
            tracing::warn!(%error, "the database is not there yet; trying again");
            tokio::time::sleep(pause.lengthen()).await;
        }
    }
}

/// Refuses a schema that this program cannot work on.
fn check(status: SchemaStatus) -> Result<(), OpenError> {
    let lack = match status {
        SchemaStatus::Current => return Ok(()),
        // No migration by this program helps there.
        SchemaStatus::Newer { database, binary } => {
            return Err(MigrateError::NewerSchema { database, binary }.into())
        }
        SchemaStatus::Missing => "this engine was never installed in it".to_owned(),
        SchemaStatus::Pending { steps } => format!("it lacks {}", steps.join(", ")),
    };
    Err(OpenError::NotMigrated { lack })
}

/// Options of the migration as configured.
pub fn migrate_options(config: &Config) -> MigrateOptions {
    MigrateOptions {
        index_profile: match config.database.index_profile {
            IndexProfile::Lean => migrate::IndexProfile::Lean,
            IndexProfile::Rails => migrate::IndexProfile::Rails,
        },
        schema: config.database.schema.clone(),
        ..MigrateOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{check, SchemaStatus};

    fn refusal(status: SchemaStatus) -> String {
        check(status).expect_err("it is refused").to_string()
    }

    #[test]
    fn a_schema_that_does_not_fit_is_refused_in_words_with_the_remedy() {
        let remedy = "; run `tasker migrate`, or set database.migrate_on_start";
        assert_eq!(
            refusal(SchemaStatus::Missing),
            format!("the database is not migrated: this engine was never installed in it{remedy}")
        );
        let steps = vec!["0003_event_cursors".to_owned(), "0004_more".to_owned()];
        assert_eq!(
            refusal(SchemaStatus::Pending { steps }),
            format!("the database is not migrated: it lacks 0003_event_cursors, 0004_more{remedy}")
        );
        let newer = refusal(SchemaStatus::Newer {
            database: 9,
            binary: 3,
        });
        assert!(newer.ends_with("run a newer Tasker"), "{newer}");
        assert!(check(SchemaStatus::Current).is_ok());
    }
}
