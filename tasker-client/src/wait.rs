//! Following a task to its end.
//!
//! Polls: often while the task is young or has just moved, then ever less. An
//! answer that fails for a passing reason is no end, since the task goes on
//! whether it is watched or not.

use std::time::Duration;

use tasker_shared::domain::State;
use tasker_shared::wire::{StepCounts, TaskView};
use tokio::time::Instant;

use crate::{Client, ClientError, Include};

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// What a deadline beyond the clock's range means.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Client {
    /// Waits until the task is in a final state, at most for `deadline`, and
    /// calls `on_update` whenever its state or the states of its steps changed.
    ///
    /// # Errors
    /// [`ClientError::Deadline`], or the first error that will not pass.
    pub async fn wait(
        &self,
        task_id: i64,
        deadline: Duration,
        mut on_update: impl FnMut(&TaskView),
    ) -> Result<TaskView, ClientError> {
        let now = Instant::now();
        let end = now.checked_add(deadline).unwrap_or(now + FOR_EVER);
        let mut pause = SHORTEST_PAUSE;
        let mut last: Option<TaskView> = None;
        loop {
            let mut asked = None;
            match tokio::time::timeout_at(end, self.task(task_id, Include::default())).await {
                Ok(Ok(task)) => {
                    if last.as_ref().map(standing) != Some(standing(&task)) {
                        on_update(&task);
                        pause = SHORTEST_PAUSE;
                    }
                    if task.state.is_final() {
                        return Ok(task);
                    }
                    last = Some(task);
                }
                Ok(Err(ClientError::Problem {
                    problem,
                    retry_after,
                })) if matches!(problem.status, 503 | 504) => {
                    asked = retry_after;
                }
                Ok(Err(error)) if error.is_transient() => {}
                Ok(Err(error)) => return Err(error),
                // The deadline: answered below.
                Err(_) => {}
            }
            let next = Instant::now() + asked.unwrap_or(pause);
            if next >= end {
                let last = last.map(Box::new);
                return Err(ClientError::Deadline {
                    task_id,
                    after: deadline,
                    last,
                });
            }
            tokio::time::sleep_until(next).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

fn standing(task: &TaskView) -> (State, Option<StepCounts>) {
    (task.state, task.step_counts)
}
