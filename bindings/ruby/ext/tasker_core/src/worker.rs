//! `TaskerCore::Native::Worker`: a worker in this process, with Ruby at its seam.
//!
//! A thread of its own holds the runtime from the start of the worker to its end, so
//! nothing depends on when Ruby collects the object. A worker that is collected without
//! having been stopped drains, as nobody is left to take its steps.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use magnus::{function, method, prelude::*, Error, Object, RArray, RModule, Ruby, Value};
use tasker_worker_foundation::WorkerHandle;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::entry::{claim_process, entry, entry_of, is_child_of, Kind};
use crate::execution::Execution;
use crate::monitor::Monitor;
use crate::opening::runtime;
use crate::options::{self, Options};
use crate::queue::{Held, Queue};
use crate::rows::Rows;
use crate::start::{self, Failure, Started};
use crate::steps::Reader;

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::Worker", free_immediately, size)]
pub(crate) struct Worker {
    inner: Arc<Inner>,
    owner: u32,
}

/// What the object shares with the thread that holds the runtime.
pub(crate) struct Inner {
    pub(crate) queue: Arc<Queue>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: Monitor<bool>,
    pub(crate) concurrency: usize,
    pub(crate) dispatch_wait_seconds: u64,
    /// None without a database.
    pub(crate) handle: Option<WorkerHandle>,
}

impl Worker {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let owner = std::process::id();
        Self { inner, owner }
    }

    fn start(options: Value) -> Result<Self, Error> {
        entry(|ruby| {
            claim_process(ruby)?;
            let options = options::read(ruby, options)?;
            let failed = |failure: Failure| failure.into_error(ruby);
            // Two threads do for a worker whose handlers run elsewhere.
            let runtime = runtime(2, "tasker", "threads of the worker").map_err(failed)?;
            let stop = CancellationToken::new();
            let start: Arc<Start> = Arc::default();
            live_apart(runtime, options, stop.clone(), start.clone()).map_err(failed)?;
            match start.wait(ruby, None, Option::take) {
                Ok(Some(Ok(inner))) => Ok(Self::new(inner)),
                Ok(Some(Err(failure))) => Err(failed(failure)),
                Ok(None) => Err(failed(Failure::new(
                    Kind::Start,
                    "ended",
                    "the worker ended",
                ))),
                Err(interrupted) => {
                    stop.cancel();
                    Err(interrupted)
                }
            }
        })
    }

    fn take(&self, max: usize) -> Result<Option<RArray>, Error> {
        entry_of(self.owner, |ruby| {
            let taken = self.inner.queue.take(ruby, max.max(1))?;
            Ok(taken.map(|steps| self.executions(ruby, steps)))
        })
    }

    /// Those that are there; waits for none.
    fn take_waiting(&self, max: usize) -> Result<RArray, Error> {
        entry_of(self.owner, |ruby| {
            Ok(self.executions(ruby, self.inner.queue.take_waiting(max)))
        })
    }

    fn executions(&self, ruby: &Ruby, steps: Vec<Held>) -> RArray {
        let executions = ruby.ary_new_capa(steps.len());
        for held in steps {
            let execution = Execution::new(ruby, held, self.inner.reader.clone());
            // Room was made above, so this cannot fail.
            let _ = executions.push(ruby.obj_wrap(execution));
        }
        executions
    }

    fn stop(&self) -> Result<(), Error> {
        entry_of(self.owner, |_| {
            self.inner.stop.cancel();
            Ok(())
        })
    }

    fn join(&self, seconds: Option<f64>) -> Result<bool, Error> {
        entry_of(self.owner, |ruby| {
            let deadline = match seconds.map(Duration::try_from_secs_f64) {
                None => None,
                // Beyond what a clock can count is for ever.
                Some(Ok(patience)) => Instant::now().checked_add(patience),
                Some(Err(_)) if seconds.is_some_and(|s| s > 0.0) => None,
                Some(Err(_)) => {
                    let message = "join takes nil or a number of seconds from 0 on";
                    return Err(Error::new(ruby.exception_arg_error(), message));
                }
            };
            let ended = self
                .inner
                .ended
                .wait(ruby, deadline, |ended| ended.then_some(()))?;
            Ok(ended.is_some())
        })
    }

    fn address(&self) -> Result<Option<String>, Error> {
        self.ask(|handle| handle.address().to_string())
    }

    fn worker_id(&self) -> Result<Option<String>, Error> {
        self.ask(|handle| handle.worker_id().to_owned())
    }

    fn steps_in_hand(&self) -> Result<Option<usize>, Error> {
        self.ask(WorkerHandle::steps_in_hand)
    }

    fn rows(&self) -> Result<Rows, Error> {
        entry_of(self.owner, |_| {
            Ok(Rows::new(self.inner.reader.clone(), self.owner))
        })
    }

    fn concurrency(&self) -> Result<usize, Error> {
        entry_of(self.owner, |_| Ok(self.inner.concurrency))
    }

    fn dispatch_wait_seconds(&self) -> Result<u64, Error> {
        entry_of(self.owner, |_| Ok(self.inner.dispatch_wait_seconds))
    }

    fn ask<T>(&self, question: impl FnOnce(&WorkerHandle) -> T) -> Result<Option<T>, Error> {
        entry_of(self.owner, |_| Ok(self.inner.handle.as_ref().map(question)))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if is_child_of(self.owner) {
            // Its locks may be held for ever here, so its memory stays as it is.
            std::mem::forget(self.inner.clone());
            return;
        }
        self.inner.stop.cancel();
    }
}

type Start = Monitor<Option<Result<Arc<Inner>, Failure>>>;

/// Starts the worker on a thread that stays with it to its end.
fn live_apart(
    runtime: Runtime,
    options: Options,
    stop: CancellationToken,
    start: Arc<Start>,
) -> Result<(), Failure> {
    let live = move || {
        let starting = async {
            tokio::select! {
                started = start::start(options, stop.clone()) => Some(started),
                // Nobody waits for it any more.
                () = stop.cancelled() => None,
            }
        };
        let started = catch_unwind(AssertUnwindSafe(|| runtime.block_on(starting)));
        match started.unwrap_or_else(|panic| Some(Err(Failure::of_panic(&*panic)))) {
            Some(Ok(started)) => {
                let inner = Arc::new(inner_of(started, &runtime, stop));
                start.change(|slot| *slot = Some(Ok(inner.clone())));
                drop(start);
                if let Some(handle) = &inner.handle {
                    runtime.block_on(handle.stopped());
                }
                inner.queue.close();
                runtime.shutdown_timeout(Duration::from_secs(1));
                start::flush_telemetry();
                inner.ended.change(|ended| *ended = true);
            }
            Some(Err(failure)) => {
                runtime.shutdown_background();
                start.change(|slot| *slot = Some(Err(failure)));
            }
            None => runtime.shutdown_background(),
        }
    };
    let spawned = thread::Builder::new()
        .name("tasker-life".to_owned())
        .spawn(live);
    spawned.map(drop).map_err(|error| {
        let message = format!("the thread of the worker cannot be started: {error}");
        Failure::new(Kind::Start, "runtime", message)
    })
}

fn inner_of(started: Started, runtime: &Runtime, stop: CancellationToken) -> Inner {
    Inner {
        queue: started.queue,
        reader: Arc::new(Reader {
            source: Some((started.store, runtime.handle().clone())),
        }),
        stop,
        ended: Monitor::new(false),
        concurrency: started.concurrency,
        dispatch_wait_seconds: started.dispatch_wait_seconds,
        handle: Some(started.handle),
    }
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("Worker", ruby.class_object())?;
    class.undef_default_alloc_func();
    class.define_singleton_method("start", function!(Worker::start, 1))?;
    class.define_method("take", method!(Worker::take, 1))?;
    class.define_method("take_waiting", method!(Worker::take_waiting, 1))?;
    class.define_method("stop", method!(Worker::stop, 0))?;
    class.define_method("join", method!(Worker::join, 1))?;
    class.define_method("address", method!(Worker::address, 0))?;
    class.define_method("worker_id", method!(Worker::worker_id, 0))?;
    class.define_method("steps_in_hand", method!(Worker::steps_in_hand, 0))?;
    class.define_method("rows", method!(Worker::rows, 0))?;
    class.define_method("concurrency", method!(Worker::concurrency, 0))?;
    class.define_method(
        "dispatch_wait_seconds",
        method!(Worker::dispatch_wait_seconds, 0),
    )
}
