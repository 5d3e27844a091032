//! What asking the database for Ruby needs, and `Execution#steps`: all steps of the task
//! as they are now.

use std::borrow::Cow;
use std::future::Future;

use chrono::{DateTime, SecondsFormat, Utc};
use magnus::value::ReprValue;
use magnus::{Error, Ruby, Value};
use serde_json::{json, Value as Json};
use tasker_shared::config::Engine;
use tasker_shared::store::read::{task_steps, TaskStep};
use tasker_shared::store::records::RecordError;
use tasker_shared::store::Store;
use tokio::runtime::Handle;

use crate::decode::to_ruby;
use crate::entry::{raise, Kind};
use crate::promise::wait_for;

/// What asking needs of the worker.
pub(crate) struct Reader {
    /// Absent where there is no database.
    pub(crate) source: Option<(Store, Handle)>,
}

impl Reader {
    /// The settings in force; without a database the built-in ones.
    pub(crate) fn engine(&self) -> Cow<'_, Engine> {
        match &self.source {
            Some((store, _)) => Cow::Borrowed(store.engine()),
            None => Cow::Owned(Engine::default()),
        }
    }

    /// The steps of a task in template order, as an Array of Hashes with String keys.
    ///
    /// # Errors
    /// `TaskerCore::DatabaseError`; what an interrupt raises.
    pub(crate) fn steps(&self, ruby: &Ruby, task_id: i64) -> Result<Value, Error> {
        if self.source.is_none() {
            return Ok(ruby.ary_new().as_value());
        }
        let steps = self.ask(ruby, |store| async move {
            Ok(task_steps(&store, task_id).await?)
        })?;
        to_ruby(&steps.iter().map(step).collect())
    }

    /// Asks the database, without Ruby's lock meanwhile. An interrupt of the Ruby thread
    /// gives the question up: what it would have written is rolled back.
    ///
    /// # Errors
    /// `TaskerCore::RecordError` for what is refused, `TaskerCore::DatabaseError`; what
    /// an interrupt raises.
    pub(crate) fn ask<T, F>(
        &self,
        ruby: &Ruby,
        question: impl FnOnce(Store) -> F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RecordError>> + Send + 'static,
    {
        let failed = |code, message: String| Err(raise(ruby, Kind::Database, code, message));
        let Some((store, runtime)) = &self.source else {
            return failed("no_database", "there is no database here".to_owned());
        };
        match wait_for(ruby, runtime, question(store.clone()))? {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(RecordError::Store(error))) => failed(error.code(), error.to_string()),
            Some(Err(error)) => Err(raise(ruby, Kind::Record, error.code(), error.to_string())),
            None => failed(
                "stopped",
                "the database cannot be asked any more: the worker has stopped".to_owned(),
            ),
        }
    }
}

/// With six digits, as PostgreSQL keeps them.
pub(crate) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn step(step: &TaskStep) -> Json {
    json!({
        "step_id": step.step_id,
        "named_step_id": step.named_step_id,
        "name": step.name,
        "state": step.state.as_str(),
        "attempts": step.attempts,
        "retry_limit": step.retry_limit,
        "retryable": step.retryable,
        "skippable": step.skippable,
        "backoff_request_seconds": step.backoff_request_seconds,
        "results": step.results,
        "inputs": step.inputs,
        "created_at": time(step.created_at),
        "updated_at": time(step.updated_at),
        "processed_at": step.processed_at.map(time),
        "last_attempted_at": step.last_attempted_at.map(time),
        "parent_ids": step.parent_ids,
    })
}
