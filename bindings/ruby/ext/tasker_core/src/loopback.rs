//! `TaskerCore::Native::Loopback`: events that go to Ruby and come back, without a
//! database. For specs and benchmarks of the gem only.
//!
//! Its worker is a `Native::Worker` with the same queue, executions, conversions and
//! sink; what it lacks is whoever claims steps and stores outcomes. As a worker does, it
//! lets out as many steps at once as its concurrency says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use magnus::{function, method, prelude::*, Error, Object, RModule, Ruby, Value};
use serde::Deserialize;
use serde_json::{json, Value as Json};
use tasker_shared::domain::{Outcome, StepError};
use tasker_worker_foundation::{
    Completion, CompletionSink, Completions, ExecutionId, ProgressSlot, SavedContext, StepEvent,
    TaskFacts,
};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::decode::to_ruby;
use crate::encode;
use crate::entry::{entry, entry_of, is_child_of, raise, Kind};
use crate::gather::Gather;
use crate::monitor::Monitor;
use crate::queue::{Held, Queue};
use crate::steps::Reader;
use crate::worker::{Inner, Worker};

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::Loopback", free_immediately, size)]
struct Loopback {
    inner: Arc<Inner>,
    way: Arc<Monitor<Way>>,
    sink: CompletionSink,
    owner: u32,
}

/// Where the events are.
#[derive(Default)]
struct Way {
    /// Let out and not answered, with what tells their handlers to stop.
    out: HashMap<ExecutionId, CancellationToken>,
    answered: u64,
    ended: bool,
    /// Kept only if somebody wants to see them.
    outcomes: Option<VecDeque<Completion>>,
}

/// An event as specs write it; what is absent has a plain default.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Event {
    task_id: i64,
    step_id: i64,
    attempt: i32,
    step_name: String,
    handler_class: String,
    namespace: String,
    task_name: String,
    task_version: String,
    retry_limit: i32,
    retryable: bool,
    timeout_seconds: f64,
    correlation_id: Option<String>,
    traceparent: Option<String>,
    context: Json,
    inputs: Json,
    config: Json,
    previous_results: Json,
    parents: BTreeMap<String, Json>,
}

impl Default for Event {
    fn default() -> Self {
        Self {
            task_id: 1,
            step_id: 1,
            attempt: 1,
            step_name: "step".to_owned(),
            handler_class: "Handler".to_owned(),
            namespace: "default".to_owned(),
            task_name: "task".to_owned(),
            task_version: "1.0.0".to_owned(),
            retry_limit: 3,
            retryable: true,
            timeout_seconds: 60.0,
            correlation_id: None,
            traceparent: None,
            context: json!({}),
            inputs: json!({}),
            config: Json::Null,
            previous_results: json!({}),
            parents: BTreeMap::new(),
        }
    }
}

impl Event {
    fn let_out(&self, index: usize, task: &Arc<TaskFacts>, config: &Arc<Json>) -> StepEvent {
        let parents = self.parents.iter();
        StepEvent {
            execution: ExecutionId {
                step_id: self.step_id + index as i64,
                attempt: self.attempt,
                message_id: 0,
                lease_token: 0,
            },
            task: task.clone(),
            step_name: self.step_name.clone(),
            handler_class: self.handler_class.clone(),
            config: config.clone(),
            inputs: self.inputs.clone(),
            parents: parents
                .map(|(name, results)| (name.clone(), Arc::new(results.clone())))
                .collect(),
            previous_results: self.previous_results.clone(),
            retry_limit: self.retry_limit,
            retryable: self.retryable,
            timeout: Duration::from_secs_f64(self.timeout_seconds.clamp(0.0, 1e9)),
            cancelled: CancellationToken::new(),
            progress: ProgressSlot::default(),
        }
    }

    fn facts(&self) -> TaskFacts {
        TaskFacts {
            task_id: self.task_id,
            namespace: self.namespace.clone(),
            name: self.task_name.clone(),
            version: self.task_version.clone(),
            context: self.context.clone(),
            correlation_id: self.correlation_id.clone(),
            traceparent: self.traceparent.clone(),
            saved_context: SavedContext::default(),
        }
    }
}

/// Time for what is out when the loopback stops.
const DRAIN: Duration = Duration::from_secs(1);

impl Loopback {
    fn new(concurrency: usize) -> Result<Self, Error> {
        entry(|ruby| {
            let inner = Arc::new(Inner {
                queue: Arc::new(Queue::new(concurrency)),
                reader: Arc::new(Reader { source: None }),
                stop: CancellationToken::new(),
                ended: Monitor::new(false),
                concurrency,
                dispatch_wait_seconds: 300,
                handle: None,
            });
            let way: Arc<Monitor<Way>> = Arc::default();
            let (sink, completions) = CompletionSink::apart();
            let built = Builder::new_current_thread().enable_time().build();
            let runtime = built.map_err(|error| {
                raise(
                    ruby,
                    Kind::Start,
                    "runtime",
                    format!("no loopback: {error}"),
                )
            })?;
            let (living, heard) = (inner.clone(), way.clone());
            thread::spawn(move || runtime.block_on(live(&living, completions, &heard)));
            Ok(Self {
                inner,
                way,
                sink,
                owner: std::process::id(),
            })
        })
    }

    fn worker(&self) -> Result<Worker, Error> {
        entry_of(self.owner, |_| Ok(Worker::new(self.inner.clone())))
    }

    /// Lets an event out `times` times, with step ids that count up, as room allows; on a
    /// thread of its own, as events come from Rust.
    fn put(&self, event: Value, times: usize) -> Result<(), Error> {
        entry_of(self.owner, |ruby| {
            let event: Event = serde_json::from_value(encode::to_json(ruby, "event", event)?)
                .map_err(|error| raise(ruby, Kind::Configuration, "event", error.to_string()))?;
            let (inner, way, sink) = (self.inner.clone(), self.way.clone(), self.sink.clone());
            thread::spawn(move || feed(&event, times, &inner, &way, &sink));
            Ok(())
        })
    }

    /// Does what a worker does to an attempt that has run too long: answers it, and tells
    /// its handler.
    fn time_out(&self, step_id: i64) -> Result<bool, Error> {
        entry_of(self.owner, |_| {
            let found = self.way.change(|way| {
                let found = way.out.iter().find(|(id, _)| id.step_id == step_id);
                found.map(|(id, token)| (*id, token.clone()))
            });
            let Some((execution, token)) = found else {
                return Ok(false);
            };
            // ORDER: as the worker does it.
            let error = StepError::timeout(Duration::ZERO);
            let outcome = Outcome::Failure { error };
            self.sink.complete(vec![Completion { execution, outcome }]);
            token.cancel();
            Ok(true)
        })
    }

    /// Waits until as many events have been answered in all; false if that takes longer.
    fn wait(&self, answered: u64, seconds: f64) -> Result<bool, Error> {
        entry_of(self.owner, |ruby| {
            let deadline = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
            let enough = |way: &mut Way| (way.answered >= answered).then_some(());
            let waited = self.way.wait(ruby, Some(deadline), enough)?;
            Ok(waited.is_some())
        })
    }

    /// From now on outcomes are kept for `outcomes`.
    fn keep(&self) -> Result<(), Error> {
        entry_of(self.owner, |_| {
            self.way.change(|way| way.outcomes = Some(VecDeque::new()));
            Ok(())
        })
    }

    /// The outcomes since the last call, as an Array of Hashes.
    fn outcomes(&self) -> Result<Value, Error> {
        entry_of(self.owner, |_| {
            let taken = self
                .way
                .change(|way| way.outcomes.as_mut().map(std::mem::take));
            to_ruby(&taken.unwrap_or_default().into_iter().map(shown).collect())
        })
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        if !is_child_of(self.owner) {
            self.inner.stop.cancel();
        }
    }
}

fn shown(completion: Completion) -> Json {
    let Completion { execution, outcome } = completion;
    let label = outcome.label();
    let detail = match outcome {
        Outcome::Success { results } => results,
        Outcome::Failure { error } => serde_json::to_value(error).unwrap_or_default(),
        Outcome::NoHandler { handler_class } => handler_class.into(),
        Outcome::HandedBack => Json::Null,
    };
    json!({
        "step_id": execution.step_id, "attempt": execution.attempt, "outcome": label, "detail": detail,
    })
}

/// Puts events into the queue as room for them becomes free.
fn feed(event: &Event, times: usize, inner: &Inner, way: &Monitor<Way>, sink: &CompletionSink) {
    let (task, config) = (Arc::new(event.facts()), Arc::new(event.config.clone()));
    let gather = Gather::new(sink.clone());
    let mut index = 0;
    while index < times && !inner.stop.is_cancelled() {
        let room = way.wait_apart(|way| {
            let room = inner.concurrency.saturating_sub(way.out.len());
            (room > 0 || way.ended).then_some(room)
        });
        let events: Vec<StepEvent> = (index..times.min(index + room))
            .map(|index| event.let_out(index, &task, &config))
            .collect();
        index += events.len();
        way.change(|way| {
            let out = events.iter().map(|e| (e.execution, e.cancelled.clone()));
            way.out.extend(out);
        });
        gather.let_out(events.len());
        let held = events
            .into_iter()
            .map(|event| Held::new(event, gather.clone()));
        inner.queue.put(held);
        if room == 0 {
            return;
        }
    }
}

/// Hears outcomes until the end. The first of each event counts.
async fn live(inner: &Inner, mut completions: Completions, way: &Monitor<Way>) {
    let hear = |batch: Vec<Completion>| {
        way.change(|way| {
            for completion in batch {
                if way.out.remove(&completion.execution).is_none() {
                    continue;
                }
                way.answered += 1;
                if let Some(kept) = &mut way.outcomes {
                    kept.push_back(completion);
                }
            }
            way.out.is_empty()
        })
    };
    loop {
        tokio::select! {
            Some(batch) = completions.next() => { hear(batch); }
            () = inner.stop.cancelled() => break,
        }
    }
    let drained = async {
        let mut empty = hear(Vec::new());
        while !empty {
            empty = match completions.next().await {
                Some(batch) => hear(batch),
                None => true,
            };
        }
    };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    way.change(|way| {
        way.ended = true;
        way.out.drain().for_each(|(_, token)| token.cancel());
    });
    inner.queue.close();
    inner.ended.change(|ended| *ended = true);
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("Loopback", ruby.class_object())?;
    class.undef_default_alloc_func();
    class.define_singleton_method("start", function!(Loopback::new, 1))?;
    class.define_method("worker", method!(Loopback::worker, 0))?;
    class.define_method("put", method!(Loopback::put, 2))?;
    class.define_method("time_out", method!(Loopback::time_out, 1))?;
    class.define_method("wait", method!(Loopback::wait, 2))?;
    class.define_method("keep", method!(Loopback::keep, 0))?;
    class.define_method("outcomes", method!(Loopback::outcomes, 0))
}
