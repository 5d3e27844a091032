//! Tasks run turn by turn, each turn checked against what it may cost.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::json;
use tasker_shared::config::Config;
use tasker_shared::domain::Namespace;
use tasker_shared::store::submit::prepare;
use tasker_shared::store::{templates, Claimed, Report, ReportConnection, ResultConnection};

use super::meter::{Meter, Spent};
use super::turns::{Turn, ADVANCE, CLAIM, NOTHING_TO_CLAIM, NOTHING_TO_TAKE, REPORT, RESULTS};
use crate::engine::harness::{success, template_of, Engine};
use crate::engine::shapes::Steps;

/// Turns of one part, and the WAL they wrote.
#[derive(Default)]
struct Sum {
    turns: usize,
    wal_bytes: i64,
}

/// What running steps cost, part by part.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) steps: usize,
    parts: BTreeMap<&'static str, Sum>,
}

impl Bill {
    pub(super) fn add(&mut self, turn: &Turn, spent: &Spent) {
        turn.is(spent);
        let sum = self.parts.entry(turn.part).or_default();
        sum.turns += 1;
        sum.wal_bytes += spent.wal_bytes;
    }

    /// How many turns each part took.
    pub(super) fn turns(&self) -> Vec<(&'static str, usize)> {
        let turns = self.parts.iter().map(|(part, sum)| (*part, sum.turns));
        turns.collect()
    }

    /// Bytes of WAL, everything together.
    pub(super) fn wal_per_step(&self) -> i64 {
        let total: i64 = self.parts.values().map(|sum| sum.wal_bytes).sum();
        total / self.steps as i64
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} B/step of WAL, {} steps:",
            self.wal_per_step(),
            self.steps
        )?;
        for (part, sum) in &self.parts {
            let each = sum.wal_bytes / self.steps as i64;
            write!(f, " {part} {each} ({} turns)", sum.turns)?;
        }
        Ok(())
    }
}

/// An engine whose every call is measured.
pub(super) struct Line {
    pub(super) meter: Meter,
    pub(super) reports: ReportConnection,
    pub(super) results: ResultConnection,
}

impl Line {
    pub(super) async fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let meter = Meter::new(configure).await;
        let store = &meter.engine.store;
        Self {
            reports: ReportConnection::open(store).await.unwrap(),
            results: ResultConnection::open(store).await.unwrap(),
            meter,
        }
    }

    pub(super) async fn register(&self, namespace: &str, name: &str, steps: &Steps) {
        let mut template = template_of(name, steps, "");
        template.namespace = Namespace::parse(namespace).unwrap();
        let store = &self.meter.engine.store;
        templates::register(store, &template).await.unwrap();
        // Its wake is sent in the background, and would be counted with what comes next.
        store.hub().finish().await;
    }

    /// Submits a task of each of these templates, `(namespace, name)`, together.
    pub(super) async fn submit(&mut self, names: &[(&str, &str)], turn: &Turn, bill: &mut Bill) {
        let mut batch = Vec::new();
        for (namespace, name) in names {
            let request = json!({"name": name, "namespace": namespace, "context": {"n": 1}});
            let request = serde_json::from_value(request).unwrap();
            let store = &self.meter.engine.store;
            batch.push(prepare(store, request, None).await.unwrap());
        }
        let work = async |engine: &mut Engine| engine.submit_all(&batch).await;
        let (submitted, spent) = self.meter.of(work).await;
        assert_eq!(submitted.len(), names.len());
        bill.add(turn, &spent);
    }

    /// Runs all that is enqueued to its end, `batch` steps a turn.
    pub(super) async fn run(&mut self, way: Way, batch: usize, bill: &mut Bill) {
        loop {
            let claimed = self.claim(batch, bill).await;
            if claimed.is_empty() {
                return;
            }
            bill.steps += claimed.len();
            let reports = claimed
                .iter()
                .map(|claimed| success(claimed.attempt, json!({})))
                .collect();
            match way {
                Way::Queued => self.queue(reports, bill).await,
                Way::Direct => self.advance(reports, bill).await,
            }
        }
    }

    async fn claim(&mut self, batch: usize, bill: &mut Bill) -> Vec<Claimed> {
        let work = async |engine: &mut Engine| engine.claim(batch).await;
        let (claimed, spent) = self.meter.of(work).await;
        if claimed.is_empty() {
            NOTHING_TO_CLAIM.is(&spent);
            return claimed;
        }
        bill.add(&CLAIM, &spent);
        claimed
    }

    async fn queue(&mut self, reports: Vec<Report>, bill: &mut Bill) {
        let report = async |_: &mut Engine| self.reports.send(&reports).await;
        let (done, spent) = self.meter.of(report).await;
        done.unwrap();
        bill.add(&REPORT, &spent);
        let process = async |_: &mut Engine| self.results.process().await;
        let (taken, spent) = self.meter.of(process).await;
        assert_eq!(taken.unwrap().reports, reports.len());
        bill.add(&RESULTS, &spent);
        let process = async |_: &mut Engine| self.results.process().await;
        let (taken, spent) = self.meter.of(process).await;
        assert_eq!(taken.unwrap().messages, 0);
        NOTHING_TO_TAKE.is(&spent);
    }

    async fn advance(&mut self, reports: Vec<Report>, bill: &mut Bill) {
        let given = reports.len();
        let work = async |engine: &mut Engine| engine.report(reports).await;
        let (advanced, spent) = self.meter.of(work).await;
        assert_eq!(advanced.applied, given);
        bill.add(&ADVANCE, &spent);
    }
}

/// How outcomes get to the routine that applies them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Queued,
    Direct,
}
