//! Claimed steps on their way to Ruby.
//!
//! INVARIANT: as many steps wait here as the worker lets out at once, and no more: what
//! the worker has given up on meanwhile is removed when others come.
//! INVARIANT: a claimed step is answered once. One that is dropped without an answer,
//! for nobody can give it one any more, is handed back uncounted.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use magnus::{Error, Ruby};
use serde_json::Value as Json;
use tasker_shared::domain::Outcome;
use tasker_shared::telemetry;
use tasker_worker_foundation::{Completion, CompletionSink, Dispatch, StepEvent};
use tracing::Span;

use crate::entry::is_child_of;
use crate::gather::Gather;
use crate::monitor::Monitor;

/// A claimed step, and where its outcome goes.
///
/// Boxed where it arrives: a thread of Ruby's between two handlers would otherwise copy it
/// into memory of its own, which is new until garbage is collected.
pub(crate) struct Held {
    // Not dropped in a forked child: the locks inside may have been held at the fork.
    inner: ManuallyDrop<Box<Inner>>,
    owner: u32,
}

struct Inner {
    event: StepEvent,
    weight: usize,
    gather: Arc<Gather>,
    begun: AtomicBool,
    answered: AtomicBool,
    /// Of the handler's run; ends with the answer.
    span: Mutex<Span>,
}

impl Held {
    pub(crate) fn new(event: StepEvent, gather: Arc<Gather>) -> Self {
        // Without an exporter nobody would ever see it.
        let span = if telemetry::is_exporting() {
            event.span()
        } else {
            Span::none()
        };
        Self {
            inner: ManuallyDrop::new(Box::new(Inner {
                weight: weight(&event),
                event,
                gather,
                begun: AtomicBool::new(false),
                answered: AtomicBool::new(false),
                span: Mutex::new(span),
            })),
            owner: std::process::id(),
        }
    }

    pub(crate) fn event(&self) -> &StepEvent {
        &self.inner.event
    }

    /// Bytes that the documents of the step take here, about.
    pub(crate) fn weight(&self) -> usize {
        self.inner.weight
    }

    /// The trace context to hand on to what the handler calls.
    pub(crate) fn traceparent(&self) -> Option<String> {
        let current = self.span().in_scope(telemetry::current);
        let own = current.map(|context| context.as_str().to_owned());
        own.or_else(|| self.inner.event.task.traceparent.clone())
    }

    fn span(&self) -> MutexGuard<'_, Span> {
        let span = self.inner.span.lock();
        span.unwrap_or_else(PoisonError::into_inner)
    }

    /// The process that claimed it.
    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// The handler begins, unless the attempt is over.
    pub(crate) fn begin(&self) -> bool {
        self.leave_queue();
        !self.inner.event.cancelled.is_cancelled()
    }

    fn leave_queue(&self) {
        if !self.inner.begun.swap(true, Ordering::AcqRel) {
            self.inner.gather.begin();
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.inner.answered.load(Ordering::Acquire)
    }

    /// Reports the outcome; false if the step has been answered before, by Ruby or by
    /// the worker (timeout, lost lease, end of the drain).
    pub(crate) fn answer(&self, outcome: Outcome) -> bool {
        let inner = &self.inner;
        *self.span() = Span::none();
        // A timeout that passes between this look and the next line is decided by the
        // worker: the first outcome that reaches it counts.
        if inner.answered.swap(true, Ordering::AcqRel) {
            return false;
        }
        let execution = inner.event.execution;
        self.leave_queue();
        let in_time = !inner.event.cancelled.is_cancelled();
        let completion = in_time.then_some(Completion { execution, outcome });
        inner.gather.take_in(completion);
        in_time
    }
}

fn weight(event: &StepEvent) -> usize {
    let parents: usize = event.parents.values().map(|results| bytes(results)).sum();
    let own = [
        &event.task.context,
        &event.inputs,
        &event.config,
        &event.previous_results,
    ];
    parents + own.into_iter().map(bytes).sum::<usize>()
}

/// What is behind a value, by the sizes of its parts; allocators and tables round up.
fn bytes(value: &Json) -> usize {
    const VALUE: usize = size_of::<Json>();
    /// An entry of a map: its key, its hash, and its place in the table.
    const ENTRY: usize = VALUE + size_of::<String>() + 3 * size_of::<usize>();
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| VALUE + bytes(item)).sum(),
        Json::Object(entries) => entries
            .iter()
            .map(|(key, value)| ENTRY + key.len() + bytes(value))
            .sum(),
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if is_child_of(self.owner) {
            return;
        }
        self.answer(Outcome::HandedBack);
        // SAFETY: dropped here and nowhere else, and not used after this.
        #[allow(unsafe_code)]
        unsafe {
            ManuallyDrop::drop(&mut self.inner);
        }
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Held>,
    closed: bool,
}

impl State {
    fn take(&mut self, max: usize) -> Vec<Held> {
        let mut taken = Vec::new();
        while taken.len() < max {
            match self.waiting.pop_front() {
                Some(step) if is_wanted(&step) => taken.push(step),
                Some(_) => {}
                None => break,
            }
        }
        taken
    }
}

/// See the module.
pub(crate) struct Queue {
    state: Monitor<State>,
    capacity: usize,
}

impl Queue {
    /// `capacity`: steps the worker lets out at once.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Monitor::new(State::default()),
            capacity,
        }
    }

    pub(crate) fn put(&self, steps: impl Iterator<Item = Held>) {
        self.state.change(|state| {
            state.waiting.extend(steps);
            if state.waiting.len() > self.capacity {
                state.waiting.retain(is_wanted);
            }
        });
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        self.state.change(|state| state.closed = true);
    }

    /// Waits for at least one step and takes at most `max`; `None` when the queue is
    /// closed and empty.
    ///
    /// # Errors
    /// What interrupts the Ruby thread.
    pub(crate) fn take(&self, ruby: &Ruby, max: usize) -> Result<Option<Vec<Held>>, Error> {
        let taken = self.state.wait(ruby, None, |state| {
            let taken = state.take(max);
            match (taken.is_empty(), state.closed) {
                (false, _) => Some(Some(taken)),
                (true, true) => Some(None),
                (true, false) => None,
            }
        })?;
        Ok(taken.flatten())
    }

    /// Takes at most `max` of the steps that are there.
    pub(crate) fn take_waiting(&self, max: usize) -> Vec<Held> {
        self.state.look(|state| state.take(max))
    }
}

fn is_wanted(step: &Held) -> bool {
    !step.event().cancelled.is_cancelled()
}

/// Hands claimed steps to Ruby.
pub(crate) struct RubyDispatch {
    pub(crate) queue: Arc<Queue>,
    pub(crate) handler_classes: Vec<String>,
    pub(crate) gather: OnceLock<Arc<Gather>>,
    pub(crate) hands_on: bool,
}

impl Dispatch for RubyDispatch {
    fn handler_classes(&self) -> Vec<String> {
        self.handler_classes.clone()
    }

    /// Ruby finds handlers by name when it needs them, so only Ruby can say that there
    /// is none: then it answers so.
    fn has_handler(&self, _handler_class: &str) -> bool {
        true
    }

    fn hands_on(&self) -> bool {
        self.hands_on
    }

    fn dispatch(&self, events: Vec<StepEvent>, sink: &CompletionSink) {
        let gather = self.gather.get_or_init(|| Gather::new(sink.clone()));
        gather.let_out(events.len());
        let held = events
            .into_iter()
            .map(|event| Held::new(event, gather.clone()));
        self.queue.put(held);
    }
}
