//! How far a look may be told, where it did not reach the end of both tables.

use std::collections::BTreeSet;

use super::place::Place;
use super::rows::{StepRow, TaskRow};
use super::trail::Trail;
use super::Feed;
use crate::store::StoreError;

/// The first of these ends, in the order of their ids, before which a step has moved that
/// lies behind $4. Plan: `workflow_steps_task_id_index`, then by `workflow_step_id`.
const EARLY_END: &str = "
    SELECT e.id FROM unnest($1::bigint[], $2::bigint[], $3::timestamp[]) AS e(id, task_id, at)
     WHERE EXISTS (SELECT FROM tasker_workflow_steps s
                     JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = ANY (ARRAY[s.workflow_step_id])
                    WHERE s.task_id = ANY (ARRAY[e.task_id]) AND x.id > $4 AND x.created_at <= e.at)
     ORDER BY e.id LIMIT 1";

/// Those of these tasks that begin behind $2. Plan: by `task_id` and `sort_key`.
const LATE_STARTS: &str = "
    SELECT task_id FROM tasker_task_transitions WHERE task_id = ANY ($1) GROUP BY task_id HAVING min(id) > $2";

impl Feed {
    /// Where the cursor goes behind this trail. Takes from the trail what must wait.
    ///
    /// One snapshot shows both tables, so what is seen fits together as long as all there
    /// is was read. Where a table was not read to its end, the end of a task waits for the
    /// steps before it, and a step for the start of its task.
    /// INVARIANT: something always goes on. Were both kept back, the end of a task that
    /// lacks a step and a step whose task begins behind that end, then that step would
    /// have drawn its id after the missing one, and not come first.
    pub(super) async fn cut(
        &mut self,
        trail: &mut Trail,
        tasks: &Place,
        steps: Option<&Place>,
    ) -> Result<(Place, Option<Place>), StoreError> {
        let Some(steps) = steps else {
            let until = trail.task_head.more_late.then_some(tasks.position);
            let next = tasks.after(&trail.task_head, trail.snapshot, until);
            trail.tasks.retain(|row| row.id <= next.position);
            return Ok((next, None));
        };
        // What is late comes before all else, and waits for nothing: it is below the position.
        let late = trail.task_head.more_late || trail.step_head.more_late;
        let mut step_until = late.then_some(steps.position);
        let mut task_until = late.then_some(tasks.position);
        if !late {
            let end = steps.after(&trail.step_head, trail.snapshot, None).position;
            if trail.step_head.goes_beyond(end, self.batch_max) {
                let ends = trail.tasks.iter().filter(|row| row.id > tasks.position);
                let early = self.early_end(ends, end).await?;
                task_until = early.map(|id| id - 1);
            }
        }
        let task_next = tasks.after(&trail.task_head, trail.snapshot, task_until);
        let end = task_next.position;
        if !late && trail.task_head.goes_beyond(end, self.batch_max) {
            let rows = trail.steps.iter().filter(|row| row.id > steps.position);
            let waits = self.late_start(rows, end).await?;
            step_until = waits.map(|id| id - 1);
        }
        let step_next = steps.after(&trail.step_head, trail.snapshot, step_until);
        trail.tasks.retain(|row| row.id <= task_next.position);
        trail.steps.retain(|row| row.id <= step_next.position);
        Ok((task_next, Some(step_next)))
    }

    async fn early_end(
        &mut self,
        tasks: impl Iterator<Item = &TaskRow>,
        step_end: i64,
    ) -> Result<Option<i64>, StoreError> {
        let ends: Vec<&TaskRow> = tasks.filter(|row| !row.is_creation()).collect();
        if ends.is_empty() {
            return Ok(None);
        }
        let early = sqlx::query_scalar(EARLY_END)
            .bind(ends.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind(ends.iter().map(|row| row.task_id).collect::<Vec<_>>())
            .bind(ends.iter().map(|row| row.at).collect::<Vec<_>>())
            .bind(step_end)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(early)
    }

    async fn late_start(
        &mut self,
        steps: impl Iterator<Item = &StepRow>,
        task_end: i64,
    ) -> Result<Option<i64>, StoreError> {
        let steps: Vec<&StepRow> = steps.collect();
        let tasks: BTreeSet<i64> = steps.iter().map(|row| row.task_id).collect();
        let late: Vec<i64> = sqlx::query_scalar(LATE_STARTS)
            .bind(tasks.into_iter().collect::<Vec<_>>())
            .bind(task_end)
            .fetch_all(&mut self.connection)
            .await?;
        let waits = steps.iter().find(|row| late.contains(&row.task_id));
        Ok(waits.map(|row| row.id))
    }
}
