//! Tasks with half of their steps complete, brought there by the engine itself.

use anyhow::{bail, Result};
use serde_json::{json, Value};
use tasker_shared::domain::{Namespace, Outcome};
use tasker_shared::store::submit::{prepare as check, SubmitConnection, Submitted};
use tasker_shared::store::{AdvanceConnection, ClaimConnection, Report, Store};

use crate::running::register;
use crate::shape::{Shape, NAMESPACE, VERSION};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const BATCH: usize = 500;

/// A task that is half done.
pub(super) struct Case {
    pub(super) variant: String,
    pub(super) shape: String,
    pub(super) task_id: i64,
    pub(super) steps: usize,
    /// Steps that could run now.
    pub(super) ready: Vec<i64>,
}

/// A task of each shape and size in one database: each lies among all the others.
pub(super) async fn prepare(store: &Store, largest: usize) -> Result<Vec<Case>> {
    let mut engine = Engine::open(store).await?;
    let mut cases = Vec::new();
    for steps in SIZES.into_iter().filter(|&steps| steps <= largest) {
        for (name, shape) in shapes(steps) {
            // What the tasks before it left in the queue waits behind this one.
            let priority = cases.len() as i32;
            cases.push(Case {
                variant: format!("{name} n={steps}"),
                task_id: engine.half_done(&shape, priority).await?,
                steps: shape.len(),
                shape: shape.name,
                ready: vec![],
            });
        }
    }
    sqlx::query("ANALYZE").execute(store.pool()).await?;
    for case in &mut cases {
        case.ready = sqlx::query_scalar(
            "SELECT workflow_step_id FROM get_step_readiness_status($1)
              WHERE ready_for_execution ORDER BY 1",
        )
        .bind(case.task_id)
        .fetch_all(store.pool())
        .await?;
        if case.ready.is_empty() {
            bail!("{}: no step is ready", case.variant);
        }
    }
    Ok(cases)
}

/// The shapes, of exactly `steps` steps each; a multiple of three and one is needed for
/// the diamonds, and something like a square for the layers.
fn shapes(steps: usize) -> [(&'static str, Shape); 4] {
    let width = (1..=steps).find(|n| steps.is_multiple_of(*n) && n * n >= steps);
    let width = width.unwrap_or(steps);
    [
        ("linear", Shape::linear(steps)),
        ("fan-in", Shape::fan_in(steps - 1)),
        ("layered", Shape::layered(steps / width, width, 3)),
        ("diamonds", Shape::diamonds((steps - 1) / 3)),
    ]
}

/// What claims and completes steps.
struct Engine<'a> {
    store: &'a Store,
    advances: AdvanceConnection,
}

impl<'a> Engine<'a> {
    async fn open(store: &'a Store) -> Result<Self> {
        // The queue comes with the first template of its namespace.
        register(store, &[Shape::diamond()]).await?;
        Ok(Self {
            advances: AdvanceConnection::open(store).await?,
            store,
        })
    }

    /// Submits a task and completes half of its steps.
    async fn half_done(&mut self, shape: &Shape, priority: i32) -> Result<i64> {
        register(self.store, std::slice::from_ref(shape)).await?;
        let request = json!({
            "name": shape.name, "namespace": NAMESPACE, "version": VERSION,
            "context": {"readiness": true}, "priority": priority,
        });
        let task = check(self.store, serde_json::from_value(request)?, None).await?;
        let mut connection = SubmitConnection::open(self.store).await?;
        let submitted = connection.submit(&[task]).await?;
        let [Submitted::Created(task)] = submitted.as_slice() else {
            bail!("{}: the task was not created", shape.name);
        };
        // A new connection reads the queue from its beginning, where this task is.
        let mut claims = ClaimConnection::open(self.store, &Namespace::parse(NAMESPACE)?).await?;
        let mut left = shape.len() / 2;
        while left > 0 {
            // No more than are ready: the next in the queue is of another task.
            let ready: i32 =
                sqlx::query_scalar("SELECT active FROM tasker.task_runs WHERE task_id = $1")
                    .bind(task.task_id)
                    .fetch_one(self.store.pool())
                    .await?;
            let most = left.min(BATCH).min(ready as usize);
            let claimed = claims.claim(most).await?.steps;
            if claimed.is_empty() || claimed.iter().any(|c| c.attempt.task_id != task.task_id) {
                bail!("{}: no further step of it could be claimed", shape.name);
            }
            left -= claimed.len();
            let report = |claimed: &tasker_shared::store::Claimed| Report {
                attempt: claimed.attempt,
                outcome: Outcome::Success {
                    results: Value::Null,
                },
                stored: false,
            };
            self.advances
                .advance(claimed.iter().map(report).collect())
                .await?;
        }
        Ok(task.task_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_exactly_as_many_steps_as_are_asked_for() {
        for steps in SIZES {
            for (name, shape) in shapes(steps) {
                assert_eq!(shape.len(), steps, "{name}");
            }
        }
    }
}
