//! Times of single steps, from the transitions that the engine stored.
//!
//! A step is ready when its last parent completed, or when its task was created. It
//! starts with its claim and ends with its completion; both are the times of the
//! statements that wrote them, so the commit and the wake-up after one count towards
//! the step that follows.

use anyhow::Result;
use sqlx::{PgPool, Row as _};

/// One completed step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepTimes {
    /// From ready to started.
    pub(crate) start_ms: f64,
    /// From ready to completed.
    pub(crate) done_ms: f64,
}

/// Steps of the tasks from `first_task` on.
pub(crate) async fn steps(pool: &PgPool, first_task: i64) -> Result<Vec<StepTimes>> {
    let rows = sqlx::query(
        "WITH step AS MATERIALIZED (
             SELECT s.workflow_step_id AS id, s.task_id, b.created_at AS started, d.created_at AS done
               FROM tasker_workflow_steps s
               JOIN tasker_workflow_step_transitions d
                 ON d.workflow_step_id = s.workflow_step_id AND d.to_state = 'complete'
               JOIN tasker_workflow_step_transitions b
                 ON b.workflow_step_id = s.workflow_step_id AND b.sort_key = d.sort_key - 10
              WHERE s.task_id >= $1
         ), unblocked AS (
             SELECT e.to_step_id AS id, max(step.done) AS at
               FROM tasker_workflow_step_edges e JOIN step ON step.id = e.from_step_id
              GROUP BY e.to_step_id
         ), timed AS (
             SELECT step.*, COALESCE(u.at, t.created_at) AS ready
               FROM step
               JOIN tasker_tasks t USING (task_id)
               LEFT JOIN unblocked u ON u.id = step.id
         )
         SELECT (extract(epoch FROM started - ready) * 1000)::float8 AS start_ms,
                (extract(epoch FROM done - ready) * 1000)::float8 AS done_ms
           FROM timed",
    )
    .bind(first_task)
    .fetch_all(pool)
    .await?;
    let step = |row: &sqlx::postgres::PgRow| -> Result<StepTimes> {
        Ok(StepTimes {
            start_ms: row.try_get("start_ms")?,
            done_ms: row.try_get("done_ms")?,
        })
    };
    rows.iter().map(step).collect()
}
