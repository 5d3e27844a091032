//! Rounds: the steps of a task that became ready together.
//!
//! The Rails engine works in rounds: it looks for steps that are ready, runs them, waits
//! for all, and looks again. This one enqueues a step as soon as nothing is before it, so
//! a round here is what one transaction made ready: the roots, the children whose last
//! parent it finished, or the steps whose next attempt it began. A round is over when the
//! attempts it began have ended; the next may begin earlier.
//!
//! All is derived from transitions, which never change: whoever reads them later finds
//! the same rounds at the same rows.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::domain::State;
use crate::store::{Definition, StoreError};

const STEPS: &str = include_str!("../sql/feed_steps.sql");

/// A transition of a step that is no start of an attempt.
#[derive(Debug, Clone, Copy)]
struct Mark {
    id: i64,
    to: State,
    at: NaiveDateTime,
    /// On the way to being cancelled.
    by_hand: bool,
}

/// A step with its transitions.
#[derive(Debug, Clone, Default)]
pub(super) struct Life {
    step_id: i64,
    marks: Vec<Mark>,
}

/// Steps that became ready together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    /// Indexes in the template.
    pub(super) steps: Vec<usize>,
    pub(super) step_ids: Vec<i64>,
}

/// How a round ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// Attempts that were made; the others were cancelled or resolved before.
    pub(super) processed: usize,
    pub(super) successful: usize,
}

/// The rounds of one task.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// By the id of the step's transition that made them ready, 0 for the first.
    pub(super) begun: HashMap<i64, Round>,
    /// By the id of the step's transition that ended them.
    pub(super) ended: HashMap<i64, Ended>,
}

/// The steps of some tasks, by task and by their place in the template.
pub(super) type Lives = HashMap<i64, HashMap<i32, Life>>;

pub(super) async fn read(
    connection: &mut PgConnection,
    tasks: &[i64],
) -> Result<Lives, StoreError> {
    let rows = sqlx::query(STEPS).bind(tasks).fetch_all(connection).await?;
    let mut lives = Lives::new();
    for row in rows {
        let of_task = lives.entry(row.try_get("task_id")?).or_default();
        of_task.insert(row.try_get("named_step_id")?, life(&row)?);
    }
    Ok(lives)
}

fn life(row: &PgRow) -> Result<Life, sqlx::Error> {
    let ids: Vec<i64> = row.try_get("ids")?;
    let states: Vec<String> = row.try_get("states")?;
    let times: Vec<NaiveDateTime> = row.try_get("times")?;
    let marks = ids.into_iter().zip(states).zip(times);
    let marks = marks.filter_map(|((id, state), at)| {
        let name = state.strip_suffix(" by hand");
        Some(Mark {
            id,
            to: State::parse(name.unwrap_or(&state))?,
            at,
            by_hand: name.is_some(),
        })
    });
    Ok(Life {
        step_id: row.try_get("workflow_step_id")?,
        marks: marks.collect(),
    })
}

impl Rounds {
    pub(super) fn of(definition: &Definition, lives: &HashMap<i32, Life>) -> Self {
        let ids = &definition.named_step_ids;
        let lives: Vec<Life> = ids
            .iter()
            .map(|id| lives.get(id).cloned().unwrap_or_default())
            .collect();
        let mut begun: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        let roots = definition.graph.roots().map(|root| root as usize);
        begun.insert(0, roots.collect());
        for (child, last) in opened(definition, &lives) {
            begun.entry(last).or_default().push(child);
        }
        for (step, last) in repeated(&lives) {
            begun.entry(last).or_default().push(step);
        }
        let mut rounds = Self::default();
        for (anchor, steps) in begun {
            if let Some((row, ended)) = end(anchor, &steps, &lives) {
                rounds.ended.insert(row, ended);
            }
            let step_ids = steps.iter().map(|step| lives[*step].step_id).collect();
            rounds.begun.insert(anchor, Round { steps, step_ids });
        }
        rounds
    }
}

/// The last transition of each time: those of one statement share it.
fn last_of_time(marks: impl Iterator<Item = Mark>) -> HashMap<NaiveDateTime, i64> {
    let mut last = HashMap::new();
    for mark in marks {
        let id = last.entry(mark.at).or_insert(mark.id);
        *id = mark.id.max(*id);
    }
    last
}

/// Children whose parents are all done, with the transition that did it. A child that was
/// cancelled or resolved before never became ready.
fn opened(definition: &Definition, lives: &[Life]) -> Vec<(usize, i64)> {
    let done = |life: &Life| {
        let satisfies = |mark: &&Mark| mark.to.satisfies_children();
        life.marks.iter().find(satisfies).copied()
    };
    let done: Vec<Option<Mark>> = lives.iter().map(done).collect();
    let last = last_of_time(done.iter().flatten().copied());
    let mut opened = Vec::new();
    for (child, life) in lives.iter().enumerate() {
        let parents = definition.graph.parents(child).iter();
        let doers: Option<Vec<Mark>> = parents.map(|parent| done[*parent as usize]).collect();
        let by = doers.and_then(|doers| doers.iter().map(|mark| last[&mark.at]).max());
        if let Some(by) = by.filter(|by| life.marks.first().is_none_or(|mark| mark.id > *by)) {
            opened.push((child, by));
        }
    }
    opened
}

/// Steps that were put back to run again, with the last such transition of the statement.
fn repeated(lives: &[Life]) -> Vec<(usize, i64)> {
    let again = |mark: &&Mark| mark.to == State::Pending && !mark.by_hand;
    let marks = || {
        lives
            .iter()
            .flat_map(|life| life.marks.iter().filter(again))
    };
    let last = last_of_time(marks().copied());
    let mut repeated = Vec::new();
    for (step, life) in lives.iter().enumerate() {
        for mark in life.marks.iter().filter(again) {
            repeated.push((step, last[&mark.at]));
        }
    }
    repeated
}

/// The transition that ended a round, if all its attempts have ended.
fn end(anchor: i64, steps: &[usize], lives: &[Life]) -> Option<(i64, Ended)> {
    let mut last = 0;
    let mut ended = Ended::default();
    for step in steps {
        let marks = &lives[*step].marks;
        let mark = marks
            .iter()
            .find(|mark| mark.id > anchor && mark.to != State::Pending)?;
        last = last.max(mark.id);
        ended.processed += usize::from(matches!(mark.to, State::Complete | State::Error));
        ended.successful += usize::from(mark.to == State::Complete);
    }
    (last > 0).then_some((last, ended))
}
