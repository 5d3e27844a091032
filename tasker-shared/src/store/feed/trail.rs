//! The answer of one look at the audit trail.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::Row;

use super::place::{Seen, Snapshot};
use super::rows::{StepRow, TaskRow};
use crate::store::StoreError;

/// The answer of one look.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) snapshot: Snapshot,
    pub(super) task_head: Seen,
    pub(super) step_head: Seen,
    pub(super) tasks: Vec<TaskRow>,
    pub(super) steps: Vec<StepRow>,
    pub(super) more: bool,
}

impl Trail {
    /// None if the lease is lost.
    pub(super) fn read(rows: &[PgRow], limit: i64) -> Result<Option<Self>, StoreError> {
        let mut trail = Self::default();
        let mut held = false;
        for row in rows {
            let id: Option<i64> = row.try_get("id")?;
            match row.try_get("kind")? {
                "snapshot" => (held, trail.snapshot) = (true, facts(row)?),
                "task_head" => trail.task_head = head(row, id, limit)?,
                "step_head" => trail.step_head = head(row, id, limit)?,
                "task" => trail.tasks.push(TaskRow {
                    id: id.unwrap_or_default(),
                    ..facts(row)?
                }),
                _ => trail.steps.push(StepRow {
                    id: id.unwrap_or_default(),
                    ..facts(row)?
                }),
            }
        }
        let full = |head: &Seen| head.rows >= limit || head.more_late;
        trail.more = full(&trail.task_head) || full(&trail.step_head);
        Ok(held.then_some(trail))
    }

    pub(super) fn late(&self) -> bool {
        !(self.task_head.late.is_empty() && self.step_head.late.is_empty())
    }
}

fn head(row: &PgRow, last: Option<i64>, limit: i64) -> Result<Seen, StoreError> {
    let seen: Seen = facts(row)?;
    Ok(Seen {
        last,
        more_late: seen.late.len() as i64 >= limit,
        ..seen
    })
}

fn facts<T: DeserializeOwned>(row: &PgRow) -> Result<T, StoreError> {
    let facts: Value = row.try_get("facts")?;
    serde_json::from_value(facts)
        .map_err(|error| StoreError::Database(sqlx::Error::Decode(Box::new(error))))
}
