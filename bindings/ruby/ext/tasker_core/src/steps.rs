//! `Execution#steps`: all steps of the task as they are now, read from the database.

use magnus::value::ReprValue;
use magnus::{Error, Ruby, Value};
use serde_json::{json, Value as Json};
use tasker_shared::store::read::{task_steps, TaskStep};
use tasker_shared::store::Store;
use tokio::runtime::Handle;

use crate::decode::to_ruby;
use crate::entry::{raise, Kind};
use crate::promise::wait_for;

/// What reading needs of the worker.
pub(crate) struct Reader {
    /// Absent where there is no database.
    pub(crate) source: Option<(Store, Handle)>,
}

impl Reader {
    /// The steps of a task in template order, as an Array of Hashes with String keys.
    /// Without Ruby's lock while the database is asked.
    ///
    /// # Errors
    /// `TaskerCore::DatabaseError`; what an interrupt raises.
    pub(crate) fn steps(&self, ruby: &Ruby, task_id: i64) -> Result<Value, Error> {
        let Some((store, runtime)) = &self.source else {
            return Ok(ruby.ary_new().as_value());
        };
        let store = store.clone();
        let read = wait_for(
            ruby,
            runtime,
            async move { task_steps(&store, task_id).await },
        )?;
        match read {
            Some(Ok(steps)) => to_ruby(&Json::Array(steps.iter().map(hash).collect())),
            Some(Err(error)) => Err(raise(ruby, Kind::Database, error.code(), error.to_string())),
            None => {
                let message = "the steps cannot be read any more: the worker has stopped";
                Err(raise(ruby, Kind::Database, "stopped", message))
            }
        }
    }
}

fn hash(step: &TaskStep) -> Json {
    // With six digits, as PostgreSQL keeps them.
    let time = |time: chrono::DateTime<chrono::Utc>| {
        time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    };
    json!({
        "step_id": step.step_id,
        "name": step.name,
        "state": step.state.as_str(),
        "attempts": step.attempts,
        "retry_limit": step.retry_limit,
        "retryable": step.retryable,
        "results": step.results,
        "inputs": step.inputs,
        "created_at": time(step.created_at),
        "updated_at": time(step.updated_at),
        "processed_at": step.processed_at.map(time),
        "last_attempted_at": step.last_attempted_at.map(time),
        "parent_ids": step.parent_ids,
    })
}
