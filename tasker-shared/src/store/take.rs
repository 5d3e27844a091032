//! Going on: a worker in direct mode starts children of a step with the same statement
//! that ends it. Such a child needs no claim and no wake; a chain runs in one process,
//! one statement and one commit for each step.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::Row;

use super::{Attempt, StoreError};

/// What a worker can go on with.
#[derive(Debug, Default)]
pub struct Room {
    /// Steps it has room for.
    pub steps: usize,
    /// Reported steps whose children it can run, those at least that have no other
    /// parent: no others are taken.
    pub after: Vec<i64>,
}

/// A step that was started by the report of its only parent.
#[derive(Debug, Clone)]
pub struct Taken {
    pub attempt: Attempt,
    pub inputs: Value,
    /// What is in the step's results.
    pub previous_results: Value,
    pub parent_id: i64,
}

/// Token of a lease that begins with the message.
const FIRST_TOKEN: i32 = 1;

/// Adds what `row`, the answer of `sql/taken.sql`, says was taken after `reported`.
pub(super) fn read(
    row: &PgRow,
    reported: &[Attempt],
    taken: &mut Vec<Taken>,
) -> Result<(), StoreError> {
    let Some(steps) = row.try_get::<Option<Vec<i64>>, _>("taken")? else {
        return Ok(());
    };
    let parents: Vec<i64> = row.try_get("parents")?;
    let named: Vec<i32> = row.try_get("named")?;
    let numbers: Vec<i32> = row.try_get("numbers")?;
    let limits: Vec<i32> = row.try_get("limits")?;
    let retryable: Vec<bool> = row.try_get("retryable")?;
    let messages: Vec<i64> = row.try_get("messages")?;
    let inputs: Vec<Option<Value>> = row.try_get("inputs")?;
    let previous: Vec<Option<Value>> = row.try_get("previous")?;
    let reported: HashMap<i64, &Attempt> = reported.iter().map(|a| (a.step_id, a)).collect();
    let bodies = inputs.into_iter().zip(previous);
    for (i, (inputs, previous)) in bodies.enumerate() {
        let parent_id = parents[i];
        // `Room::after` may name steps that are not of the batch; none is taken then.
        let Some(parent) = reported.get(&parent_id) else {
            continue;
        };
        taken.push(Taken {
            attempt: Attempt {
                step_id: steps[i],
                task_id: parent.task_id,
                attempt: numbers[i],
                message_id: messages[i],
                lease_token: FIRST_TOKEN,
                definition_id: parent.definition_id,
                named_step_id: named[i],
                retry_limit: limits[i],
                retryable: retryable[i],
            },
            inputs: inputs.unwrap_or(Value::Null),
            previous_results: previous.unwrap_or(Value::Null),
            parent_id,
        });
    }
    Ok(())
}
