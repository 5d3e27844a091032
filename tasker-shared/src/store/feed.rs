//! Events of orchestration, read from the audit trail.
//!
//! Nothing is written for an event: it is derived from the transition that it tells of,
//! by whoever wants it, and can be had as long as that is there. A subscription is a name
//! with a cursor. Each name gets every event at least once, the events of a task in their
//! order; several processes under one name share the work by taking turns: one has the
//! lease and reads, another takes over when the lease ends.
//!
//! The way of a batch: [`Feed::take`] the lease, [`Feed::look`], hand the events over,
//! [`Feed::handled`]. What was not handled is read again, by whoever reads next.
//!
//! LOCKS: the cursor's row, alone in its statement. Claims, reports and submissions are
//! not touched and never wait for a reader.

mod cut;
mod events;
mod payload;
mod place;
mod rounds;
mod rows;
mod tell;
mod trail;
mod wanted;

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

use super::{Store, StoreError, HOT_PATH};
use place::{Gap, Place};
use trail::Trail;
use wanted::Wanted;

pub use events::Event;
pub use wanted::IDENTIFIERS;

const BEGIN: &str = include_str!("sql/feed_begin.sql");
const TAKE: &str = include_str!("sql/feed_take.sql");
const LOOK: &str = include_str!("sql/feed_look.sql");

/// Moves a cursor whose fence still holds, and renews its lease. Plan: primary key.
const MOVE: &str = "
    UPDATE tasker.event_cursors
       SET lease_ends_at = (clock_timestamp() AT TIME ZONE 'UTC') + $3 * interval '1 millisecond',
           task_position = $4, task_gaps = $5, step_position = $6, step_gaps = $7,
           delivered = delivered + $8, set_aside = set_aside + $9
     WHERE name = $1 AND fence = $2";

const RENEW: &str = "
    UPDATE tasker.event_cursors
       SET lease_ends_at = (clock_timestamp() AT TIME ZONE 'UTC') + $3 * interval '1 millisecond'
     WHERE name = $1 AND fence = $2";

const RELEASE: &str =
    "UPDATE tasker.event_cursors SET lease_ends_at = NULL WHERE name = $1 AND fence = $2";

/// Why there is no such subscription.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("name: {name:?} is no name for a subscription: use 1 to 100 letters, digits, `_`, `-`, `.` and `:`, beginning with a letter or digit")]
    BadName { name: String },
    #[error("events: orchestration raises no event {name:?}; it raises {known}")]
    UnknownEvent { name: String, known: String },
    #[error("events: none is named; leave it out to get all of them")]
    NoEvents,
    #[error("batch: {given} is no number of transitions to read at once: use 1 to 10000")]
    BadBatch { given: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a name that nobody has used begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedStart {
    /// With what happens from now on.
    Now,
    /// With the oldest transition there is.
    Beginning,
}

/// What a subscription is to be.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    pub name: String,
    /// Identifiers; none for all.
    pub events: Option<Vec<String>>,
    pub start: FeedStart,
    /// Most transitions of each table that a look takes.
    pub batch_max: i64,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct FeedLook {
    pub events: Vec<Event>,
    /// There was something to be handled, even if it made no event.
    pub moved: bool,
    /// There may be more already.
    pub more: bool,
}

/// A reader of one subscription, with a connection of its own.
pub struct Feed {
    connection: PgConnection,
    store: Store,
    name: String,
    wanted: Wanted,
    start: FeedStart,
    batch_max: i64,
    held: Option<Held>,
}

/// What the holder of the lease knows.
struct Held {
    fence: i64,
    tasks: Place,
    /// None if no transition of a step is wanted.
    steps: Option<Place>,
    /// Where the cursor goes when the last look is handled.
    next: Option<(Place, Option<Place>)>,
}

impl Feed {
    /// # Errors
    /// What is wrong with the options; as for any connection.
    pub async fn open(store: &Store, options: FeedOptions) -> Result<Self, FeedError> {
        let Some(name) = valid_name(&options.name) else {
            return Err(FeedError::BadName { name: options.name });
        };
        if !(1..=10_000).contains(&options.batch_max) {
            let given = options.batch_max;
            return Err(FeedError::BadBatch { given });
        }
        let wanted = Wanted::parse(options.events.as_deref())?;
        // What is lost of it in a crash is delivered again.
        let settings = [&HOT_PATH[..], &[("synchronous_commit", "off")]].concat();
        Ok(Self {
            connection: store.dedicated(&settings).await?,
            store: store.clone(),
            name,
            wanted,
            start: options.start,
            batch_max: options.batch_max,
            held: None,
        })
    }

    /// How long the lease lasts without a look, a move or a renewal.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.store.engine().lease_ms)
    }

    fn lease_ms(&self) -> i64 {
        self.store.engine().lease_ms as i64
    }

    /// Takes the lease, and makes the cursor if there is none. None if it is ours now, else
    /// how long another has it for, if nothing changes.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn take(&mut self, holder: &str) -> Result<Option<Duration>, StoreError> {
        let reads_steps = !self.wanted.step_states().is_empty();
        sqlx::query(BEGIN)
            .bind(&self.name)
            .bind(self.start == FeedStart::Beginning)
            .bind(reads_steps)
            .execute(&mut self.connection)
            .await?;
        let row = sqlx::query(TAKE)
            .bind(&self.name)
            .bind(holder)
            .bind(self.lease_ms())
            .fetch_one(&mut self.connection)
            .await?;
        let Some(fence) = row.try_get("fence")? else {
            let held_ms: Option<i64> = row.try_get("held_ms")?;
            let left = held_ms.unwrap_or(0).max(0).unsigned_abs();
            return Ok(Some(Duration::from_millis(left)));
        };
        let steps = place(&row, "step_position", "step_gaps")?;
        self.held = Some(Held {
            fence,
            tasks: place(&row, "task_position", "task_gaps")?.unwrap_or_default(),
            steps: steps.filter(|_| reads_steps),
            next: None,
        });
        Ok(None)
    }

    /// The events behind the cursor; none at all if the lease is lost. Until they are
    /// handled, another look finds the same.
    ///
    /// # Errors
    /// As for any statement; the connection is then of no more use.
    pub async fn look(&mut self) -> Result<Option<FeedLook>, StoreError> {
        let Some(held) = &self.held else {
            return Ok(None);
        };
        let rows = self.rows(held.fence, &held.tasks, held.steps.as_ref());
        let (tasks, steps) = (held.tasks.clone(), held.steps.clone());
        let sql = rows.fetch_all(&mut self.connection).await?;
        let Some(mut trail) = Trail::read(&sql, self.batch_max)? else {
            self.held = None;
            return Ok(None);
        };
        let next = self.cut(&mut trail, &tasks, steps.as_ref()).await?;
        let moved = next.0.position != tasks.position
            || next.1.as_ref().map(|p| p.position) != steps.as_ref().map(|p| p.position)
            || trail.late();
        let events = self.tell(trail.tasks, trail.steps).await?;
        let Some(held) = &mut self.held else {
            return Ok(None);
        };
        if moved {
            held.next = Some(next);
        } else {
            // Only what is known of the gaps has changed: no need to write that down.
            (held.tasks, held.steps) = next;
        }
        let more = trail.more && moved;
        Ok(Some(FeedLook {
            events,
            moved,
            more,
        }))
    }

    /// What the last look found is handled: the cursor moves behind it. False if the lease
    /// was lost before; then somebody else handles it again.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn handled(&mut self, delivered: i64, set_aside: i64) -> Result<bool, StoreError> {
        let lease_ms = self.lease_ms();
        let Some(held) = &mut self.held else {
            return Ok(false);
        };
        let Some((tasks, steps)) = held.next.take() else {
            return Ok(true);
        };
        let step_gaps = steps.as_ref().map_or(&[][..], |place| &place.gaps);
        let moved = sqlx::query(MOVE)
            .bind(&self.name)
            .bind(held.fence)
            .bind(lease_ms)
            .bind(tasks.position)
            .bind(Json(&tasks.gaps))
            .bind(steps.as_ref().map(|place| place.position))
            .bind(Json(step_gaps))
            .bind(delivered)
            .bind(set_aside)
            .execute(&mut self.connection)
            .await?;
        (held.tasks, held.steps) = (tasks, steps);
        Ok(self.keep_if(moved.rows_affected() == 1))
    }

    /// Renews the lease while a batch is being handled; false if it is lost.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn renew(&mut self) -> Result<bool, StoreError> {
        let Some(held) = &self.held else {
            return Ok(false);
        };
        let renewed = sqlx::query(RENEW)
            .bind(&self.name)
            .bind(held.fence)
            .bind(self.lease_ms())
            .execute(&mut self.connection)
            .await?;
        Ok(self.keep_if(renewed.rows_affected() == 1))
    }

    /// Gives the lease back, so that another process need not wait for its end.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn release(&mut self) -> Result<(), StoreError> {
        if let Some(held) = self.held.take() {
            sqlx::query(RELEASE)
                .bind(&self.name)
                .bind(held.fence)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }

    fn keep_if(&mut self, ours: bool) -> bool {
        if !ours {
            self.held = None;
        }
        ours
    }

    fn rows<'q>(
        &self,
        fence: i64,
        tasks: &Place,
        steps: Option<&Place>,
    ) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
        let (task_first, task_last) = tasks.bounds();
        let (step_first, step_last) = steps.map(Place::bounds).unwrap_or_default();
        sqlx::query(LOOK)
            .bind(self.name.clone())
            .bind(fence)
            .bind(self.lease_ms())
            .bind(self.batch_max)
            .bind(tasks.position)
            .bind(task_first)
            .bind(task_last)
            .bind(steps.map(|place| place.position))
            .bind(step_first)
            .bind(step_last)
            .bind(self.wanted.step_states())
            .bind(self.wanted.contexts())
            .bind(self.wanted.failures())
    }
}

fn valid_name(name: &str) -> Option<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    (begins && name.len() <= 100 && name.chars().all(part)).then(|| name.to_owned())
}

fn place(row: &PgRow, position: &str, gaps: &str) -> Result<Option<Place>, sqlx::Error> {
    let Some(position) = row.try_get(position)? else {
        return Ok(None);
    };
    let Json(gaps): Json<Vec<Gap>> = row.try_get(gaps)?;
    Ok(Some(Place { position, gaps }))
}
