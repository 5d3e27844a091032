//! Answers on their way to the worker, gathered while Ruby has more to do.
//!
//! Handing one over wakes a thread of the runtime, and that takes the processor from the
//! Ruby thread that did it. So while steps are queued for a thread, answers wait for each
//! other, a few milliseconds at most. Once none is queued they go at once, for then it is
//! new steps that threads wait for; and so does one after a pause.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_worker_foundation::{Completion, CompletionSink};
use tokio::runtime::Handle;

/// Longest time an answer waits for others. With handlers of a millisecond it makes one
/// hand-over of four, and one claim.
const LINGER: Duration = Duration::from_millis(4);

/// See the module.
pub(crate) struct Gather {
    sink: CompletionSink,
    /// Where the time is kept; without it nothing waits.
    runtime: Option<Handle>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Completion>,
    /// Steps whose handlers have not begun.
    queued: usize,
    /// Somebody will look again within [`LINGER`].
    looking: bool,
}

impl Gather {
    pub(crate) fn new(sink: CompletionSink) -> Arc<Self> {
        Arc::new(Self {
            sink,
            runtime: Handle::try_current().ok(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many steps more are queued.
    pub(crate) fn let_out(&self, steps: usize) {
        self.state().queued += steps;
    }

    /// A step is queued no longer: its handler begins, or never will.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.queued = state.queued.saturating_sub(1);
    }

    /// A step is back, with an answer unless nobody waits for one any more.
    pub(crate) fn take_in(self: &Arc<Self>, completion: Option<Completion>) {
        let mut look = false;
        let ready = {
            let mut state = self.state();
            state.waiting.extend(completion);
            if state.waiting.is_empty() || (state.looking && state.queued > 0) {
                return;
            }
            if state.queued > 0 && self.runtime.is_some() {
                state.looking = true;
                look = true;
            }
            std::mem::take(&mut state.waiting)
        };
        self.sink.complete(ready);
        if let Some(runtime) = self.runtime.as_ref().filter(|_| look) {
            runtime.spawn(self.clone().look());
        }
    }

    /// Hands over what has gathered until nothing has.
    async fn look(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LINGER).await;
            let ready = {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    state.looking = false;
                    return;
                }
                std::mem::take(&mut state.waiting)
            };
            self.sink.complete(ready);
        }
    }
}
