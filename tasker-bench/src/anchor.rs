//! The anchor: what PGMQ's own functions do on this machine and server, without any
//! engine. Rates of the engine are compared with it, so that a slow disk or a busy
//! machine does not pass for a slow engine.
//!
//! A step of the engine takes two messages, one to the worker and one back, so two
//! messages count as one step here. Each connection sends a batch of 100, reads a
//! batch and deletes it, over and over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{json, Value};
use sqlx::PgPool;

use crate::cli::AnchorArgs;
use crate::measure::{setting, Moment};
use crate::record::{BeforeAfter, Record};
use crate::server;
use crate::stage::Stage;
use crate::stats::rounded;

const BATCH: usize = 100;
const MESSAGES_PER_STEP: usize = 2;
const QUEUE: &str = "bench_anchor";
const CONNECTIONS_MAX: usize = 4;

/// The best rate of one to four connections.
pub(crate) async fn run(stage: &mut Stage, args: &AnchorArgs) -> Result<Record> {
    eprintln!(
        "anchor: PGMQ's own functions, {CONNECTIONS_MAX} x {} s",
        args.seconds
    );
    let database = stage.database().await?;
    let pool = database.store.pool().clone();
    let setting = setting(stage, &pool).await?;
    let probe_before = server::commit_probe(&pool).await?;
    let mut by_connections = BTreeMap::new();
    let mut best: Option<Record> = None;
    for connections in 1..=CONNECTIONS_MAX {
        let record = one(stage, &pool, connections, Duration::from_secs(args.seconds)).await?;
        by_connections.insert(connections, record.steps_per_second.unwrap_or_default());
        if best
            .as_ref()
            .is_none_or(|best| best.steps_per_second < record.steps_per_second)
        {
            best = Some(record);
        }
    }
    let probe_after = server::commit_probe(&pool).await?;
    pool.close().await;
    Ok(Record {
        by_connections,
        commit_probe_ms: BeforeAfter {
            before: probe_before,
            after: probe_after,
        },
        setting,
        ..best.unwrap_or_default()
    })
}

/// One number of connections, on a new queue.
async fn one(stage: &Stage, pool: &PgPool, connections: usize, time: Duration) -> Result<Record> {
    sqlx::query("SELECT pgmq.create($1)")
        .bind(QUEUE)
        .execute(pool)
        .await?;
    let before = Moment::now(stage, pool, None).await?;
    let since = Instant::now();
    let loops: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(exchange(pool.clone(), since + time)))
        .collect();
    let mut messages = 0;
    for one in loops {
        messages += one.await??;
    }
    let seconds = since.elapsed().as_secs_f64();
    let after = Moment::now(stage, pool, None).await?;
    sqlx::query("SELECT pgmq.drop_queue($1)")
        .bind(QUEUE)
        .execute(pool)
        .await?;
    let steps = messages / MESSAGES_PER_STEP;
    Ok(Record {
        command: "anchor".to_owned(),
        shape: format!("pgmq send_batch, read, delete by {BATCH}"),
        steps,
        seconds: rounded(seconds),
        steps_per_second: Some((steps as f64 / seconds).round()),
        cost: after.cost_since(&before, steps),
        ..Record::default()
    })
}

/// Messages that went all the way through one connection until `end`.
async fn exchange(pool: PgPool, end: Instant) -> Result<usize> {
    let mut connection = pool.acquire().await?;
    let batch: Vec<Value> = (0..BATCH)
        .map(|n| json!({"task_id": 1_000_000, "step_id": 10_000_000 + n}))
        .collect();
    let mut messages = 0;
    while Instant::now() < end {
        sqlx::query("SELECT pgmq.send_batch($1, $2::jsonb[])")
            .bind(QUEUE)
            .bind(&batch)
            .execute(&mut *connection)
            .await?;
        let ids: Vec<i64> = sqlx::query_scalar("SELECT msg_id FROM pgmq.read($1, 30, $2)")
            .bind(QUEUE)
            .bind(BATCH as i32)
            .fetch_all(&mut *connection)
            .await?;
        messages += ids.len();
        sqlx::query("SELECT pgmq.delete($1, $2::bigint[])")
            .bind(QUEUE)
            .bind(&ids)
            .execute(&mut *connection)
            .await?;
    }
    Ok(messages)
}
