//! `TaskerCore::Native::EventFeed`: a subscription to the events of orchestration.
//!
//! A thread of its own reads the audit trail and hands over one batch at a time; the
//! cursor moves when Ruby says that the batch was handled. While Ruby handles it the
//! thread renews the lease. A batch that nobody acknowledges is delivered again.

mod read;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use magnus::{function, method, prelude::*, Error, Object, RArray, RModule, Ruby, Value};
use serde_json::{json, Value as Json};
use tasker_shared::store::feed::{Event, IDENTIFIERS};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::decode::to_ruby;
use crate::entry::{claim_process, entry, entry_of, is_child_of, Kind};
use crate::monitor::Monitor;
use crate::rows::Rows;
use crate::start::Failure;
use crate::steps::Reader;

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::EventFeed", free_immediately, size)]
pub(crate) struct EventFeed {
    inner: Arc<Inner>,
    owner: u32,
}

/// What the object shares with the thread that reads.
#[derive(Default)]
pub(super) struct Inner {
    state: Monitor<State>,
    /// A batch was acknowledged.
    acknowledged: Notify,
    /// Something may have happened that there are events of.
    pub(super) hurried: Notify,
    pub(super) stop: CancellationToken,
    /// Asks for rows of tasks, while the feed reads.
    reader: Monitor<Option<Arc<Reader>>>,
    ended: Monitor<bool>,
}

#[derive(Default)]
struct State {
    /// The number of the last batch that was read.
    batch: u64,
    /// It waits to be taken.
    waiting: Option<Vec<Event>>,
    /// It was handled, and this is how.
    handled: Option<Handled>,
    /// Nobody takes batches any more, or finishes the one that is out.
    abandoned: bool,
    closed: bool,
}

/// How the events of a batch fared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handled {
    pub(super) delivered: i64,
    pub(super) set_aside: i64,
}

impl Inner {
    /// Makes a batch the one that is out, in the place of any before.
    pub(super) fn put(&self, events: Vec<Event>) {
        self.state.change(|state| {
            state.batch += 1;
            state.waiting = Some(events);
            state.handled = None;
        });
    }

    /// Waits until the batch that is out is handled, `limit` at most. Cancel safe.
    pub(super) async fn handled_within(&self, limit: Duration) -> Option<Handled> {
        let handled = || self.state.change(|state| state.handled.take());
        if let Some(handled) = handled() {
            return Some(handled);
        }
        // One permit is kept, so an acknowledgement just now is not missed.
        let _ = tokio::time::timeout(limit, self.acknowledged.notified()).await;
        handled()
    }

    /// Nobody may take or acknowledge the batch that is out any more: it will be
    /// delivered again.
    pub(super) fn withdraw(&self) {
        self.state.change(|state| {
            state.batch += 1;
            state.waiting = None;
        });
    }

    /// Whether Ruby has the batch that is out, and will say how it fared.
    pub(super) fn is_in_hand(&self) -> bool {
        self.state
            .change(|state| state.waiting.is_none() && !state.abandoned)
    }
}

type Start = Monitor<Option<Result<(), Failure>>>;

impl EventFeed {
    fn start(options: Value) -> Result<Self, Error> {
        entry(|ruby| {
            claim_process(ruby)?;
            let options = read::options(ruby, options)?;
            let inner = Arc::<Inner>::default();
            let started = Arc::<Start>::default();
            let failed = |failure: Failure| failure.into_error(ruby);
            live_apart(options, inner.clone(), started.clone()).map_err(failed)?;
            match started.wait(ruby, None, Option::take) {
                Ok(Some(Err(failure))) => Err(failed(failure)),
                Ok(_) => {
                    let owner = std::process::id();
                    Ok(Self { inner, owner })
                }
                Err(interrupted) => {
                    inner.stop.cancel();
                    Err(interrupted)
                }
            }
        })
    }

    /// `[number of the batch, events]`, or nil when the feed has stopped.
    fn take(&self) -> Result<Option<RArray>, Error> {
        entry_of(self.owner, |ruby| {
            let taken = self.inner.state.wait(ruby, None, |state| {
                let taken = state.waiting.take().map(|events| (state.batch, events));
                (taken.is_some() || state.closed).then_some(taken)
            })?;
            let Some((batch, events)) = taken.flatten() else {
                return Ok(None);
            };
            let events = Json::Array(events.into_iter().map(hash).collect());
            Ok(Some(ruby.ary_new_from_values(&[
                ruby.integer_from_u64(batch).as_value(),
                to_ruby(&events)?,
            ])))
        })
    }

    /// False if the batch has been withdrawn: it is delivered again, here or elsewhere.
    fn ack(&self, batch: u64, delivered: i64, set_aside: i64) -> Result<bool, Error> {
        entry_of(self.owner, |_| {
            let ours = self.inner.state.change(|state| {
                let ours = state.batch == batch && !state.closed;
                if ours {
                    state.handled = Some(Handled {
                        delivered,
                        set_aside,
                    });
                }
                ours
            });
            self.inner.acknowledged.notify_one();
            Ok(ours)
        })
    }

    /// Of the tasks that its events are of.
    fn rows(&self) -> Result<Rows, Error> {
        entry_of(self.owner, |_| {
            let reader = self.inner.reader.change(|reader| reader.clone());
            let none = || Arc::new(Reader { source: None });
            Ok(Rows::new(reader.unwrap_or_else(none), self.owner))
        })
    }

    fn hurry(&self) -> Result<(), Error> {
        entry_of(self.owner, |_| {
            self.inner.hurried.notify_one();
            Ok(())
        })
    }

    fn stop(&self) -> Result<(), Error> {
        entry_of(self.owner, |_| {
            self.inner.stop.cancel();
            Ok(())
        })
    }

    /// Stops, and says that nobody will acknowledge what is out.
    fn abandon(&self) -> Result<(), Error> {
        self.stop()?;
        self.inner.state.change(|state| state.abandoned = true);
        self.inner.acknowledged.notify_one();
        Ok(())
    }

    fn join(&self, seconds: Option<f64>) -> Result<bool, Error> {
        entry_of(self.owner, |ruby| {
            let patience = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
            let ended = &self.inner.ended;
            let ended = ended.wait(ruby, deadline, |ended| ended.then_some(()))?;
            Ok(ended.is_some())
        })
    }
}

impl Drop for EventFeed {
    fn drop(&mut self) {
        if is_child_of(self.owner) {
            // Its locks may be held for ever here, so its memory stays as it is.
            std::mem::forget(self.inner.clone());
            return;
        }
        self.inner.stop.cancel();
    }
}

fn hash(event: Event) -> Json {
    let mut hash = json!({
        "id": event.id,
        "identifier": event.identifier,
        "task_id": event.task_id,
        "namespace": event.namespace,
        "task_name": event.task_name,
        "task_version": event.task_version,
    });
    hash["payload"] = event.payload;
    hash
}

/// Reads on a thread of its own, which ends with the feed.
fn live_apart(
    options: read::Options,
    inner: Arc<Inner>,
    started: Arc<Start>,
) -> Result<(), Failure> {
    let threads = |error: std::io::Error| {
        let message = format!("the thread of the feed cannot be started: {error}");
        Failure::new(Kind::Start, "runtime", message)
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(threads)?;
    let live = move || {
        let reading = read_until_stopped(options, &inner, &started);
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(reading)));
        if let Err(panic) = ended {
            let failure = Failure::of_panic(&*panic);
            tracing::error!("the feed has ended: {}", failure.message);
            started.change(|slot| *slot = Some(Err(failure)));
        }
        inner.state.change(|state| state.closed = true);
        runtime.shutdown_timeout(Duration::from_secs(1));
        inner.ended.change(|ended| *ended = true);
    };
    let spawned = thread::Builder::new().name("tasker-feed".to_owned());
    spawned.spawn(live).map(drop).map_err(threads)
}

async fn read_until_stopped(options: read::Options, inner: &Inner, started: &Start) {
    let reader = tokio::select! {
        reader = read::start(options) => reader,
        // Nobody waits for it any more.
        () = inner.stop.cancelled() => return,
    };
    match reader {
        Ok(reader) => {
            let asks = Arc::new(Reader {
                source: Some((reader.store(), Handle::current())),
            });
            inner.reader.change(|slot| *slot = Some(asks));
            started.change(|slot| *slot = Some(Ok(())));
            reader.run(inner).await;
            // Its connections end with the feed.
            inner.reader.change(Option::take);
        }
        Err(failure) => started.change(|slot| *slot = Some(Err(failure))),
    }
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("EventFeed", ruby.class_object())?;
    class.undef_default_alloc_func();
    class.define_singleton_method("start", function!(EventFeed::start, 1))?;
    class.define_method("take", method!(EventFeed::take, 0))?;
    class.define_method("ack", method!(EventFeed::ack, 3))?;
    class.define_method("rows", method!(EventFeed::rows, 0))?;
    class.define_method("hurry", method!(EventFeed::hurry, 0))?;
    class.define_method("stop", method!(EventFeed::stop, 0))?;
    class.define_method("abandon", method!(EventFeed::abandon, 0))?;
    class.define_method("join", method!(EventFeed::join, 1))?;
    let events = ruby.ary_from_iter(IDENTIFIERS.iter().copied());
    events.freeze();
    native.const_set("EVENTS", events)
}
