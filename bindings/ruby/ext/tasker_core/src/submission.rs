//! `TaskerCore::Native::Submitter`: submissions for a connection of Ruby's.
//!
//! It judges a request as the service does and gives the statement that writes the task.
//! Ruby runs that on its own connection, inside its own transaction; nothing is written
//! from here. The connection that templates are read on is one of its own.

use std::mem::ManuallyDrop;

use magnus::{function, method, prelude::*, Error, Object, RModule, Ruby, Value};
use serde::Deserialize;
use serde_json::{json, Map, Value as Json};
use tasker_shared::config::{self, ConfigSources};
use tasker_shared::messaging::{Channel, WAKE_CHANNEL};
use tasker_shared::store::migrate::{self, SchemaStatus};
use tasker_shared::store::submit::{self, NewTask, SubmitError, TextStatement};
use tasker_shared::store::{search_path, Store};
use tasker_shared::telemetry::TraceContext;
use tasker_shared::wire::{FieldProblem, TaskRequest};
use tokio::runtime::Runtime;

use crate::decode::to_ruby;
use crate::encode;
use crate::entry::{claim_process, entry, entry_of, is_child_of, raise, Kind};
use crate::opening::{open_on, runtime};
use crate::options::{self, Options};
use crate::promise::wait_for;
use crate::start::Failure;

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::Submitter", free_immediately, size)]
struct Submitter {
    /// Taken out when the object goes.
    runtime: ManuallyDrop<Runtime>,
    store: ManuallyDrop<Store>,
    search_path: String,
    /// Where the templates are read.
    database: String,
    owner: u32,
}

impl Submitter {
    fn open(options: Value) -> Result<Self, Error> {
        entry(|ruby| {
            claim_process(ruby)?;
            let options = options::read(ruby, options)?;
            let runtime = runtime(1, "tasker-submit", "thread of the submitter")
                .map_err(|failure| failure.into_error(ruby))?;
            let (runtime, (store, search_path, database)) =
                open_on(ruby, runtime, connect(options), ended)?;
            Ok(Self {
                runtime: ManuallyDrop::new(runtime),
                store: ManuallyDrop::new(store),
                search_path,
                database,
                owner: std::process::id(),
            })
        })
    }

    /// `{"refused" => {...}}`, or what Ruby needs to write the task.
    fn prepare(&self, request: Value, traceparent: Option<String>) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| {
            let request = match parse(&encode::to_json(ruby, "request", request)?) {
                Ok(request) => request,
                Err(fields) => return to_ruby(&refusal(&SubmitError::Fields(fields))),
            };
            // As the service takes the header: one that is none is left out.
            let traceparent = traceparent
                .and_then(|text| TraceContext::parse(&text))
                .map(|context| context.to_string());
            let store = Store::clone(&self.store);
            let judging = async move { submit::prepare(&store, request, traceparent).await };
            match wait_for(ruby, self.runtime.handle(), judging)? {
                Some(Ok(task)) => to_ruby(&self.told(&task)),
                Some(Err(SubmitError::Store(error))) => {
                    Err(raise(ruby, Kind::Database, error.code(), error.to_string()))
                }
                Some(Err(refused)) => to_ruby(&refusal(&refused)),
                None => Err(ended().into_error(ruby)),
            }
        })
    }

    fn told(&self, task: &NewTask) -> Json {
        let template = &task.definition.template;
        let statement = TextStatement::of(task);
        json!({
            "sql": statement.sql,
            "params": statement.params,
            "search_path": self.search_path,
            "database": self.database,
            "identity_hash": task.identity_hash,
            "named_task_id": task.definition.named_task_id,
            "context": task.context.to_string(),
            "wake_channel": WAKE_CHANNEL,
            "wake": Channel::Steps(template.namespace.clone()).name(),
            "namespace": template.namespace.as_str(),
            "name": template.name.as_str(),
            "version": template.version.to_string(),
            "idempotency_key": task.idempotency_key,
            "correlation_id": task.correlation_id,
        })
    }
}

impl Drop for Submitter {
    fn drop(&mut self) {
        if is_child_of(self.owner) {
            // Its threads are not here, and its locks may be held for ever.
            return;
        }
        // SAFETY: neither is used again: the object is going.
        #[allow(unsafe_code)]
        let (runtime, store) = unsafe {
            (
                ManuallyDrop::take(&mut self.runtime),
                ManuallyDrop::take(&mut self.store),
            )
        };
        let inside = runtime.enter();
        drop(store);
        drop(inside);
        runtime.shutdown_background();
    }
}

fn ended() -> Failure {
    Failure::new(
        Kind::Database,
        "stopped",
        "the submitter's thread has ended",
    )
}

/// Unlike a service it waits for no database and makes nothing in one: whoever submits
/// may have fewer rights, and is answered at once.
async fn connect(options: Options) -> Result<(Store, String, String), Failure> {
    let sources = ConfigSources::from_process(options.config_dir, options.overrides);
    let config = config::load(&sources)
        .map_err(|error| {
            Failure::new(
                Kind::Configuration,
                "configuration_refused",
                error.to_string(),
            )
        })?
        .config;
    let store = Store::connect(&config).await?;
    let status = migrate::status(store.pool())
        .await
        .map_err(|error| Failure::new(Kind::Database, error.code(), error.to_string()))?;
    match status {
        SchemaStatus::Current => {
            let search_path = search_path(&config.database);
            Ok((store, search_path, config.database.describe()))
        }
        other => {
            let message = format!(
                "the schema of the database is not the one of this version ({other:?}): run `tasker migrate`, or \
                 install the version of the gem that belongs to it"
            );
            Err(Failure::new(Kind::Database, "not_migrated", message))
        }
    }
}

/// Reads a request, and names all fields that are of the wrong type.
fn parse(request: &Json) -> Result<TaskRequest, Vec<FieldProblem>> {
    let whole = match TaskRequest::deserialize(request) {
        Ok(request) => return Ok(request),
        Err(error) => error.to_string(),
    };
    let mut wrong = Vec::new();
    for (name, value) in request.as_object().into_iter().flatten() {
        // One at a time, beside what must be there.
        let mut alone = Map::new();
        alone.insert("name".to_owned(), json!("-"));
        alone.insert("context".to_owned(), json!({}));
        alone.insert(name.clone(), value.clone());
        if let Err(error) = TaskRequest::deserialize(&Json::Object(alone)) {
            wrong.push(field(&format!("/{name}"), error.to_string()));
        }
    }
    if wrong.is_empty() {
        wrong.push(field("", whole));
    }
    Err(wrong)
}

fn field(field: &str, problem: String) -> FieldProblem {
    FieldProblem {
        field: field.to_owned(),
        problem,
        remedy: None,
    }
}

/// A refusal with what the service's problem document has of it.
fn refusal(error: &SubmitError) -> Json {
    let title = match error {
        SubmitError::UnknownTemplate { .. } => "The task's template is not registered",
        SubmitError::Context(_) => "The context does not match the template's schema",
        _ => "A field of the body is wrong",
    };
    json!({ "refused": {
        "status": 422,
        "title": title,
        "code": error.code(),
        "detail": error.to_string(),
        "errors": error.fields(),
    }})
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("Submitter", ruby.class_object())?;
    class.undef_default_alloc_func();
    class.define_singleton_method("open", function!(Submitter::open, 1))?;
    class.define_method("prepare", method!(Submitter::prepare, 2))
}
