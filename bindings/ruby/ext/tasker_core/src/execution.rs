//! `TaskerCore::Native::Execution`: one claimed step, as its handler sees it and answers.
//!
//! What it knows came with the claim and is handed out as fresh Ruby objects at each
//! call; `steps` and `task` ask the database, and what is saved goes there. The first answer counts, here or on the worker's
//! side: a later one returns false and changes nothing.

use std::sync::Arc;

use magnus::{method, prelude::*, Error, IntoValue, RArray, RModule, RString, Ruby, Value};
use serde_json::Value as Json;
use tasker_shared::domain::Outcome;
use tasker_shared::store::records::{self, Fence, RecordError};
use tasker_worker_foundation::{check_results, ExecutionId, StepEvent};

use crate::adopt;
use crate::decode::to_ruby;
use crate::encode;
use crate::entry::{entry, entry_of, raise, Kind};
use crate::failure;
use crate::queue::Held;
use crate::rows::{self, Rows};
use crate::steps::Reader;

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::Execution", free_immediately, size)]
pub(crate) struct Execution {
    held: Held,
    /// Asks the database.
    reader: Arc<Reader>,
}

impl Execution {
    /// What it holds counts as memory of Ruby's, or its collector would let gigabytes of
    /// contexts wait for a few thousand small objects.
    pub(crate) fn new(ruby: &Ruby, held: Held, reader: Arc<Reader>) -> Self {
        ruby.gc_adjust_memory_usage(held.weight().cast_signed());
        Self { held, reader }
    }

    fn event(&self) -> &StepEvent {
        self.held.event()
    }

    fn answer(&self, outcome: impl FnOnce(&Ruby) -> Result<Outcome, Error>) -> Result<bool, Error> {
        entry_of(self.held.owner(), |ruby| {
            let outcome = outcome(ruby)?;
            Ok(self.held.answer(outcome))
        })
    }

    fn succeed(&self, results: Value) -> Result<bool, Error> {
        self.answer(|ruby| {
            let results = self.results(ruby, results)?;
            Ok(Outcome::Success { results })
        })
    }

    /// Raises what `succeed` would, and answers nothing.
    fn check_results(&self, results: Value) -> Result<(), Error> {
        entry_of(self.held.owner(), |ruby| {
            self.results(ruby, results).map(|_| ())
        })
    }

    /// What the worker would refuse is refused here: Ruby tells of a success once it is
    /// handed over.
    fn results(&self, ruby: &Ruby, results: Value) -> Result<Json, Error> {
        let results = encode::to_json(ruby, "results", results)?;
        match check_results(&self.reader.engine(), &results) {
            Ok(_) => Ok(results),
            Err(unstorable) => {
                let message = format!("results: {unstorable}");
                Err(raise(ruby, Kind::Encoding, unstorable.code(), message))
            }
        }
    }

    fn fail(&self, error: Value) -> Result<bool, Error> {
        self.answer(|ruby| {
            let error = failure::read(ruby, error)?;
            Ok(Outcome::Failure { error })
        })
    }

    fn no_handler(&self) -> Result<bool, Error> {
        self.answer(|_| {
            let handler_class = self.event().handler_class.clone();
            Ok(Outcome::NoHandler { handler_class })
        })
    }

    fn hand_back(&self) -> Result<bool, Error> {
        self.answer(|_| Ok(Outcome::HandedBack))
    }

    /// What a job needs to adopt this execution of that worker.
    fn reference(&self, worker_id: String) -> Result<Value, Error> {
        entry(|_| to_ruby(&adopt::refer_to(self.event(), worker_id)))
    }

    pub(crate) fn id(&self) -> ExecutionId {
        self.event().execution
    }

    fn progress(&self, value: Value) -> Result<(), Error> {
        entry_of(self.held.owner(), |ruby| {
            let progress = encode::to_json(ruby, "progress", value)?;
            self.event().progress.set(progress);
            Ok(())
        })
    }

    /// Whether the handler may begin: not if the attempt is over.
    fn begin(&self) -> Result<bool, Error> {
        entry_of(self.held.owner(), |_| Ok(self.held.begin()))
    }

    fn is_cancelled(&self) -> Result<bool, Error> {
        entry_of(self.held.owner(), |_| {
            Ok(self.event().cancelled.is_cancelled())
        })
    }

    /// Whether an answer has been given here.
    fn is_answered(&self) -> Result<bool, Error> {
        entry_of(self.held.owner(), |_| Ok(self.held.is_answered()))
    }

    fn steps(&self) -> Result<Value, Error> {
        entry_of(self.held.owner(), |ruby| {
            self.reader.steps(ruby, self.event().task.task_id)
        })
    }

    fn task(&self) -> Result<Value, Error> {
        entry_of(self.held.owner(), |ruby| {
            rows::task(ruby, &self.reader, self.event().task.task_id)
        })
    }

    fn rows(&self) -> Result<Rows, Error> {
        let owner = self.held.owner();
        entry_of(owner, |_| Ok(Rows::new(self.reader.clone(), owner)))
    }

    /// Stores another context of the task, unless this attempt is over.
    fn save_context(&self, context: Value) -> Result<(), Error> {
        entry_of(self.held.owner(), |ruby| {
            let context = encode::to_json(ruby, "context", context)?;
            let (task_id, fence) = (self.event().task.task_id, self.fence());
            let saved = self.reader.ask(ruby, |store| async move {
                let fence = fence?;
                records::save_context(&store, task_id, &context, Some(&fence)).await?;
                Ok(context)
            })?;
            self.event().task.saved_context.set(saved);
            Ok(())
        })
    }

    /// Stores other inputs of the step, unless this attempt is over.
    fn save_inputs(&self, inputs: Value) -> Result<(), Error> {
        entry_of(self.held.owner(), |ruby| {
            let inputs = encode::to_json(ruby, "inputs", inputs)?;
            let (task_id, fence) = (self.event().task.task_id, self.fence());
            self.reader.ask(ruby, |store| async move {
                records::save_inputs(&store, task_id, &inputs, &fence?).await
            })
        })
    }

    /// An attempt that is over here is so in the database only when its outcome arrives.
    fn fence(&self) -> Result<Fence, RecordError> {
        let StepEvent {
            execution,
            cancelled,
            ..
        } = self.event();
        if cancelled.is_cancelled() {
            return Err(RecordError::Stale);
        }
        Ok(Fence {
            step_id: execution.step_id,
            attempt: execution.attempt,
            message_id: execution.message_id,
            lease_token: execution.lease_token,
        })
    }

    /// Calls `read` with what the claim brought.
    fn json(&self, read: impl FnOnce(&StepEvent) -> &Json) -> Result<Value, Error> {
        entry(|_| to_ruby(read(self.event())))
    }

    fn parent_results(&self, name: RString) -> Result<Value, Error> {
        entry(
            |ruby| match self.event().parents.get(&encode::lossy(name)) {
                Some(results) => to_ruby(results),
                None => Ok(ruby.qnil().as_value()),
            },
        )
    }

    fn traceparent(&self) -> Result<Option<String>, Error> {
        entry_of(self.held.owner(), |_| Ok(self.held.traceparent()))
    }

    fn parent_names(&self) -> Result<RArray, Error> {
        entry(|ruby| {
            let names = self.event().parents.keys();
            Ok(ruby.ary_from_iter(names.map(|name| ruby.str_new(name))))
        })
    }

    /// Calls `read` with what the claim brought, and makes a plain Ruby value of it.
    fn plain<T: IntoValue>(&self, read: impl FnOnce(&StepEvent) -> T) -> Result<T, Error> {
        entry(|_| Ok(read(self.event())))
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // SAFETY: an execution is an object of Ruby's, or on its way to be one, so it is
        // dropped on a thread that has Ruby's lock; the collector allows what is called.
        #[allow(unsafe_code)]
        let ruby = unsafe { Ruby::get_unchecked() };
        ruby.gc_adjust_memory_usage(-self.held.weight().cast_signed());
    }
}

/// Defines methods that each read one fact of the claim.
macro_rules! facts {
    ($class:ident, $($name:literal => $read:expr),* $(,)?) => {
        $($class.define_method($name, method!(|this: &Execution| this.plain($read), 0))?;)*
    };
}

/// As `facts`, for what is JSON.
macro_rules! documents {
    ($class:ident, $($name:literal => $read:expr),* $(,)?) => {
        $($class.define_method($name, method!(|this: &Execution| this.json($read), 0))?;)*
    };
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("Execution", ruby.class_object())?;
    class.undef_default_alloc_func();
    facts!(class,
        "task_id" => |event| event.task.task_id,
        "step_id" => |event| event.execution.step_id,
        "attempt" => |event| event.execution.attempt,
        "step_name" => |event| event.step_name.clone(),
        "handler_class" => |event| event.handler_class.clone(),
        "namespace" => |event| event.task.namespace.clone(),
        "task_name" => |event| event.task.name.clone(),
        "task_version" => |event| event.task.version.clone(),
        "retry_limit" => |event| event.retry_limit,
        "retryable" => |event| event.retryable,
        "timeout_seconds" => |event| event.timeout.as_secs_f64(),
        "correlation_id" => |event| event.task.correlation_id.clone(),
        "idempotency_token" => |event| {
            format!("tasker-{}-{}", event.task.task_id, event.execution.step_id)
        },
    );
    documents!(class,
        "context" => |event| &event.task.context,
        "inputs" => |event| &event.inputs,
        "config" => |event| &event.config,
        "previous_results" => |event| &event.previous_results,
    );
    class.define_method("traceparent", method!(Execution::traceparent, 0))?;
    class.define_method("parent_names", method!(Execution::parent_names, 0))?;
    class.define_method("parent_results", method!(Execution::parent_results, 1))?;
    class.define_method("steps", method!(Execution::steps, 0))?;
    class.define_method("task", method!(Execution::task, 0))?;
    class.define_method("rows", method!(Execution::rows, 0))?;
    class.define_method("save_context", method!(Execution::save_context, 1))?;
    class.define_method("save_inputs", method!(Execution::save_inputs, 1))?;
    class.define_method("begin", method!(Execution::begin, 0))?;
    class.define_method("cancelled?", method!(Execution::is_cancelled, 0))?;
    class.define_method("answered?", method!(Execution::is_answered, 0))?;
    class.define_method("progress", method!(Execution::progress, 1))?;
    class.define_method("check_results", method!(Execution::check_results, 1))?;
    class.define_method("succeed", method!(Execution::succeed, 1))?;
    class.define_method("fail", method!(Execution::fail, 1))?;
    class.define_method("no_handler", method!(Execution::no_handler, 0))?;
    class.define_method("hand_back", method!(Execution::hand_back, 0))?;
    class.define_method("reference", method!(Execution::reference, 1))
}
