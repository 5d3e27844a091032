//! The load: submits tasks over the API, a bounded number of them under way at once,
//! and watches them end.
//!
//! Ends are seen by one primary key look-up per task under way, a few times a second:
//! no events, no reads of the API, nothing that grows with what is stored.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{bail, Context as _, Result};
use chrono::Utc;
use serde_json::json;
use sqlx::{PgPool, Row as _};
use tasker_client::Client;
use tasker_shared::wire::TaskRequest;

use crate::shape::{NAMESPACE, VERSION};

/// Tasks of one request.
const SUBMIT_MAX: usize = 200;
/// Without the end of a task for so long something is wrong.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// Status of a task that was turned away because too many wait; it is submitted again.
const TURNED_AWAY: u16 = 503;
/// Between two tries of a submission.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Where load comes from.
pub(crate) struct Driver {
    /// Requests go to each in turn.
    clients: Vec<Client>,
    pool: PgPool,
    poll: Duration,
    requests: Cell<usize>,
}

/// When a load submits no more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until<'a> {
    /// So many tasks are submitted.
    Submitted(usize),
    /// It is told to end. Such a load outlives its services: it goes on trying.
    Told(&'a Cell<bool>),
}

impl Until<'_> {
    fn left(self, submitted: usize) -> usize {
        match self {
            Self::Submitted(tasks) => tasks.saturating_sub(submitted),
            Self::Told(ended) if ended.get() => 0,
            Self::Told(_) => usize::MAX,
        }
    }
}

/// A load that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Driven {
    /// From the first submission until the end of the last task was seen.
    pub(crate) seconds: f64,
    pub(crate) tasks: usize,
    /// Id of the first task; all later ones belong to it or came after it.
    pub(crate) first_task: i64,
    /// How often the database was asked.
    pub(crate) polls: u64,
}

impl Driver {
    /// Asks the database so often which tasks have ended.
    pub(crate) fn new(clients: Vec<Client>, pool: PgPool, every: Duration) -> Self {
        Self {
            clients,
            pool,
            poll: every,
            requests: Cell::new(0),
        }
    }

    /// Runs tasks of these templates, in turn.
    pub(crate) async fn drive(
        &self,
        templates: &[&str],
        until: Until<'_>,
        in_flight: usize,
    ) -> Result<Driven> {
        let since = Instant::now();
        let name = Utc::now().timestamp_micros();
        let mut under_way: Vec<i64> = Vec::new();
        let mut first_task = i64::MAX;
        let (mut submitted, mut polls) = (0, 0);
        let mut last_end = Instant::now();
        while until.left(submitted) > 0 || !under_way.is_empty() {
            let room = in_flight
                .saturating_sub(under_way.len())
                .min(until.left(submitted))
                .min(SUBMIT_MAX);
            if room > 0 {
                let names = (submitted..submitted + room).map(|n| templates[n % templates.len()]);
                let ids = match until {
                    Until::Submitted(_) => {
                        self.submit(&names.map(request).collect::<Vec<_>>()).await?
                    }
                    Until::Told(_) => self.insist(name, submitted, names).await?,
                };
                submitted += ids.len();
                first_task = ids.iter().copied().fold(first_task, i64::min);
                under_way.extend(ids);
                if under_way.len() < in_flight && until.left(submitted) > 0 {
                    continue;
                }
            }
            tokio::time::sleep(self.poll).await;
            let before = under_way.len();
            self.forget_ended(&mut under_way).await?;
            polls += 1;
            if under_way.len() < before {
                last_end = Instant::now();
            } else if last_end.elapsed() > STUCK_AFTER {
                bail!(
                    "no task has ended for {} s, {before} are under way",
                    STUCK_AFTER.as_secs()
                );
            }
        }
        Ok(Driven {
            seconds: since.elapsed().as_secs_f64(),
            tasks: submitted,
            first_task,
            polls,
        })
    }

    /// Waits for the end of one task; says how often the database was asked.
    pub(crate) async fn wait(&self, task_id: i64) -> Result<u64> {
        self.wait_all(vec![task_id]).await
    }

    /// As [`wait`](Self::wait), for the end of all of them.
    pub(crate) async fn wait_all(&self, mut under_way: Vec<i64>) -> Result<u64> {
        let since = Instant::now();
        let mut polls = 0;
        while let Some(first) = under_way.first() {
            if since.elapsed() > STUCK_AFTER {
                bail!("task {first} has not ended for {} s", STUCK_AFTER.as_secs());
            }
            tokio::time::sleep(self.poll).await;
            self.forget_ended(&mut under_way).await?;
            polls += 1;
        }
        Ok(polls)
    }

    /// Submits these tasks in one request; gives the ids of those that were accepted.
    async fn submit(&self, requests: &[TaskRequest]) -> Result<Vec<i64>> {
        let answer = self.client()?.submit_batch(requests).await?;
        let mut ids = Vec::with_capacity(answer.created);
        for item in answer.items {
            match (item.task_id, item.error) {
                (Some(id), _) => ids.push(id),
                (None, _) if item.status == TURNED_AWAY => {}
                (None, Some(problem)) => {
                    bail!("a task was refused: {} {}", problem.title, problem.detail)
                }
                (None, None) => bail!("a task was refused with status {}", item.status),
            }
        }
        Ok(ids)
    }

    /// Submits tasks until all of them are accepted, whatever becomes of the services
    /// meanwhile. Keys, made of the load's `name` and the task's number, make sure that
    /// each is one task, however often it was sent.
    async fn insist<'n>(
        &self,
        name: i64,
        first: usize,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<i64>> {
        let keyed = |(n, template)| TaskRequest {
            idempotency_key: Some(format!("load-{name}-{}", first + n)),
            ..request(template)
        };
        let requests: Vec<TaskRequest> = names.enumerate().map(keyed).collect();
        let since = Instant::now();
        loop {
            match self.submit(&requests).await {
                Ok(ids) if ids.len() == requests.len() => return Ok(ids),
                Err(error) if since.elapsed() > STUCK_AFTER || !is_transient(&error) => {
                    return Err(error)
                }
                _ => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    fn client(&self) -> Result<&Client> {
        let turn = self.requests.replace(self.requests.get() + 1);
        let client = self.clients.get(turn % self.clients.len().max(1));
        client.context("no service of this run takes tasks")
    }

    async fn forget_ended(&self, under_way: &mut Vec<i64>) -> Result<()> {
        let rows = sqlx::query(
            "SELECT task_id, unfinished FROM tasker.task_runs WHERE task_id = ANY ($1) AND active = 0",
        )
        .bind(&*under_way)
        .fetch_all(&self.pool)
        .await
        .context("the tasks under way cannot be read")?;
        for row in rows {
            let (id, unfinished): (i64, i32) =
                (row.try_get("task_id")?, row.try_get("unfinished")?);
            if unfinished > 0 {
                bail!("task {id} ended with {unfinished} unfinished steps");
            }
            under_way.retain(|&other| other != id);
        }
        Ok(())
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<tasker_client::ClientError>();
    error.is_some_and(tasker_client::ClientError::is_transient)
}

/// A task of a template of the bench.
pub(crate) fn request(name: &str) -> TaskRequest {
    TaskRequest {
        name: name.to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        version: Some(VERSION.to_owned()),
        context: json!({}),
        ..TaskRequest::default()
    }
}
