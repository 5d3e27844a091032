//! Follows a task to its end: drawn in place on a terminal, one line per change
//! elsewhere, one document per change as JSON.
//!
//! A service that is away for a moment is no end: the task goes on without it.

use std::time::Duration;

use tasker_client::{Client, ClientError};
use tasker_shared::domain::State;
use tasker_shared::wire::TaskGraph;
use tokio::time::{sleep, timeout_at, Instant};

use crate::failure::{Exit, Failure};
use crate::output::{Output, Screen};
use crate::render::{changes, draw_task, state_word};

/// How long a service may be away before that is the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) interval: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) json: bool,
    /// Shows nothing.
    pub(crate) quiet: bool,
}

/// Shows the task until it is in a final state, and returns its last graph.
pub(crate) async fn follow(
    client: &Client,
    out: &Output,
    task_id: i64,
    watch: Watch,
) -> Result<TaskGraph, Failure> {
    // Ten years are as good as no limit.
    let limit = watch.timeout.unwrap_or(Duration::from_secs(315_360_000));
    let end = Instant::now() + limit;
    let mut view = View {
        watch,
        out,
        screen: Screen::default(),
        last: None,
    };
    let mut lost: Option<Instant> = None;
    loop {
        match timeout_at(end, client.graph(task_id)).await {
            Ok(Ok(graph)) => {
                lost = None;
                view.show(&graph)?;
                if graph.state.is_final() {
                    return Ok(graph);
                }
                view.last = Some(graph);
            }
            Ok(Err(error)) if is_passing(&error, lost, view.last.is_some()) => {
                lost.get_or_insert_with(Instant::now);
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {}
        }
        if Instant::now() + watch.interval >= end {
            let message = format!(
                "task {task_id} was not finished after {} s",
                limit.as_secs()
            );
            return Err(Failure::new(Exit::CheckFailed, message).remedy(format!(
                "it goes on; `tasker explain {task_id}` says what it waits for"
            )));
        }
        sleep(watch.interval).await;
    }
}

/// Whether to go on after this error. Before the first answer a service that can not
/// be reached is most likely the wrong address.
fn is_passing(error: &ClientError, lost: Option<Instant>, seen: bool) -> bool {
    seen && error.is_transient() && lost.is_none_or(|since| since.elapsed() < PATIENCE)
}

/// The exit code that the state a task ended in stands for.
pub(crate) fn exit_of(state: State) -> Exit {
    match state {
        State::Complete | State::ResolvedManually => Exit::Ok,
        _ => Exit::CheckFailed,
    }
}

/// Says on stderr how a task ended that did not complete, and what to do.
pub(crate) fn note_end(out: &Output, graph: &TaskGraph) {
    if exit_of(graph.state) != Exit::Ok {
        let (id, state) = (graph.task_id, state_word(graph.state));
        out.note(&format!(
            "task {id} ended: {state}; `tasker explain {id}` says why"
        ));
    }
}

struct View<'a> {
    watch: Watch,
    out: &'a Output,
    screen: Screen,
    last: Option<TaskGraph>,
}

impl View<'_> {
    fn show(&mut self, graph: &TaskGraph) -> Result<(), Failure> {
        let lines = changes(self.last.as_ref(), graph);
        if self.watch.quiet || (lines.is_empty() && self.last.is_some()) {
            return Ok(());
        }
        if self.watch.json {
            return self.out.json_line(graph);
        }
        if self.out.live {
            let frame = self.out.frame();
            return self.screen.draw(&draw_task(graph, frame), frame.width);
        }
        lines.iter().try_for_each(|line| self.out.line(line))
    }
}
