//! `TaskerCore::Native::Adopter`: runs steps that another worker has handed on, in the
//! processes of a host's job queue.
//!
//! A job brings a reference; here it becomes an execution, or nil if there is nothing left
//! to run. The Ruby thread of the job is the one that runs the handler, so nothing is
//! queued on this side.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use magnus::{function, method, prelude::*, Error, Object, RModule, Ruby, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tasker_shared::domain::Namespace;
use tasker_shared::store::Store;
use tasker_worker_foundation::{AdoptError, Adopter as Native, ExecutionId, Reference, StepEvent};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::encode;
use crate::entry::{claim_process, entry, entry_of, is_child_of, raise, Kind};
use crate::execution::Execution;
use crate::gather::Gather;
use crate::opening::{open_on, runtime};
use crate::options::{self, Options};
use crate::promise::wait_for;
use crate::queue::Held;
use crate::start::{configure, Failure};
use crate::steps::Reader;

/// Of what a job carries. A process with another version of the gem may find it in the
/// queue, so a change of meaning gets another number.
const VERSION: u32 = 1;

/// What a job carries: enough to adopt the execution, and to say in a log or choose a
/// queue by what it is. Contexts and results stay in the database.
#[derive(Serialize, Deserialize)]
struct Carried {
    version: u32,
    worker_id: String,
    namespace: String,
    task_id: i64,
    step_id: i64,
    step_name: String,
    handler_class: String,
    attempt: i32,
    message_id: i64,
    lease_token: i32,
    correlation_id: Option<String>,
}

/// What a job carries of this execution.
pub(crate) fn refer_to(event: &StepEvent, worker_id: String) -> Json {
    let execution = event.execution;
    let carried = Carried {
        version: VERSION,
        worker_id,
        namespace: event.task.namespace.clone(),
        task_id: event.task.task_id,
        step_id: execution.step_id,
        step_name: event.step_name.clone(),
        handler_class: event.handler_class.clone(),
        attempt: execution.attempt,
        message_id: execution.message_id,
        lease_token: execution.lease_token,
        correlation_id: event.task.correlation_id.clone(),
    };
    // Texts and numbers: nothing in it can fail.
    serde_json::to_value(carried).unwrap_or_default()
}

fn read(carried: &Json) -> Result<Reference, String> {
    let version = carried.get("version");
    if version != Some(&Json::from(VERSION)) {
        let found = version.map_or("none".to_owned(), Json::to_string);
        return Err(format!(
            "version is {found}, and this version of the gem reads {VERSION}: install the same version in the worker \
             that dispatches and in the processes that run its jobs"
        ));
    }
    let carried = Carried::deserialize(carried).map_err(|error| error.to_string())?;
    let namespace =
        Namespace::parse(&carried.namespace).map_err(|error| format!("namespace: {error}"))?;
    Ok(Reference {
        namespace,
        execution: ExecutionId {
            step_id: carried.step_id,
            attempt: carried.attempt,
            message_id: carried.message_id,
            lease_token: carried.lease_token,
        },
        worker_id: carried.worker_id,
    })
}

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::Adopter", free_immediately, size)]
struct Adopter {
    /// Taken out when the object goes.
    runtime: ManuallyDrop<Runtime>,
    native: ManuallyDrop<Arc<Native>>,
    reader: ManuallyDrop<Arc<Reader>>,
    stop: CancellationToken,
    owner: u32,
}

impl Adopter {
    fn start(options: Value) -> Result<Self, Error> {
        entry(|ruby| {
            claim_process(ruby)?;
            let options = options::read(ruby, options)?;
            let runtime = runtime(2, "tasker-adopt", "threads of the adopter")
                .map_err(|failure| failure.into_error(ruby))?;
            let stop = CancellationToken::new();
            let opening = open(options, stop.clone());
            let (runtime, (native, store)) = open_on(ruby, runtime, opening, stopped)?;
            let source = Some((store, runtime.handle().clone()));
            Ok(Self {
                runtime: ManuallyDrop::new(runtime),
                native: ManuallyDrop::new(Arc::new(native)),
                reader: ManuallyDrop::new(Arc::new(Reader { source })),
                stop,
                owner: std::process::id(),
            })
        })
    }

    /// The execution, or nil if it has ended or somebody else has it.
    fn adopt(&self, reference: Value) -> Result<Option<Execution>, Error> {
        entry_of(self.owner, |ruby| {
            let carried = encode::to_json(ruby, "reference", reference)?;
            let reference = read(&carried).map_err(|problem| {
                let message = format!("the reference of the job cannot be read: {problem}");
                raise(ruby, Kind::Configuration, "invalid_reference", message)
            })?;
            let native = Arc::clone(&self.native);
            let adopting = async move {
                let adopted = native.adopt(&reference).await?;
                let taken = adopted.and_then(tasker_worker_foundation::Adopted::take);
                // Here already: dropped without an answer it hands the step back.
                Ok(taken.map(|(event, sink)| Held::new(event, Gather::new(sink))))
            };
            match wait_for(ruby, self.runtime.handle(), adopting)? {
                Some(Ok(held)) => {
                    let reader = Arc::clone(&self.reader);
                    Ok(held.map(|held| Execution::new(ruby, held, reader)))
                }
                Some(Err(AdoptError::Stopped)) | None => Err(stopped().into_error(ruby)),
                Some(Err(error)) => {
                    Err(raise(ruby, Kind::Database, error.code(), error.to_string()))
                }
            }
        })
    }

    /// Waits until the outcome is stored or nobody waits for one.
    fn settle(&self, execution: &Execution) -> Result<(), Error> {
        entry_of(self.owner, |ruby| {
            let native = Arc::clone(&self.native);
            let id = execution.id();
            let settling = async move { native.settled(&id).await };
            wait_for(ruby, self.runtime.handle(), settling).map(|_| ())
        })
    }

    /// Drains and waits for the end.
    fn stop(&self) -> Result<(), Error> {
        entry_of(self.owner, |ruby| {
            self.stop.cancel();
            let native = Arc::clone(&self.native);
            let stopping = async move { native.stopped().await };
            wait_for(ruby, self.runtime.handle(), stopping).map(|_| ())
        })
    }
}

impl Drop for Adopter {
    fn drop(&mut self) {
        if is_child_of(self.owner) {
            // Its threads are not here, and its locks may be held for ever.
            return;
        }
        self.stop.cancel();
        // SAFETY: none of them is used again: the object is going.
        #[allow(unsafe_code)]
        let (runtime, native, reader) = unsafe {
            (
                ManuallyDrop::take(&mut self.runtime),
                ManuallyDrop::take(&mut self.native),
                ManuallyDrop::take(&mut self.reader),
            )
        };
        let inside = runtime.enter();
        drop((native, reader));
        drop(inside);
        runtime.shutdown_background();
    }
}

async fn open(options: Options, stop: CancellationToken) -> Result<(Native, Store), Failure> {
    let config = configure(options.config_dir, options.overrides)?;
    let store = Store::open(&config).await?;
    Ok((Native::start(&config, store.clone(), stop), store))
}

fn stopped() -> Failure {
    let message = "the adopter of this process has stopped";
    Failure::new(Kind::Database, "stopped", message)
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("Adopter", ruby.class_object())?;
    class.undef_default_alloc_func();
    class.define_singleton_method("start", function!(Adopter::start, 1))?;
    class.define_method("adopt", method!(Adopter::adopt, 1))?;
    class.define_method("settle", method!(Adopter::settle, 1))?;
    class.define_method("stop", method!(Adopter::stop, 0))
}
