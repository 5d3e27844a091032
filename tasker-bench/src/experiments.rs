//! Experiments: figures other than the throughput and latency of a load. Each is a
//! command of its own, in queued mode, and checks the engine's invariants at its end.

pub(crate) mod batch;
pub(crate) mod history;
pub(crate) mod idle;
pub(crate) mod idle_transaction;
pub(crate) mod memory;
pub(crate) mod payload;
pub(crate) mod recovery;
pub(crate) mod scale;
pub(crate) mod transition;

use anyhow::Result;
use clap::Subcommand;

use crate::record::{BeforeAfter, Record};
use crate::stage::Stage;
use crate::stats::rounded;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Experiment {
    /// Several orchestrators, and several workers
    Scale(scale::ScaleArgs),
    /// The rate with many finished steps in the database
    History(history::HistoryArgs),
    /// The rate while a transaction stays open elsewhere in the database
    IdleTransaction(idle_transaction::IdleTransactionArgs),
    /// Memory of idle services, and what a task adds to it
    Memory(memory::MemoryArgs),
    /// Statements of idle services in a minute
    Idle(idle::IdleArgs),
    /// How soon the rate is back after all services were killed
    Recovery(recovery::RecoveryArgs),
    /// One request with many tasks
    Batch(batch::BatchArgs),
    /// Handlers with large results
    Payload(payload::PayloadArgs),
    /// What one state transition costs
    Transition(transition::TransitionArgs),
}

impl Experiment {
    /// Each, as it runs without flags.
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::Transition(transition::TransitionArgs::default()),
            Self::Batch(batch::BatchArgs::default()),
            Self::Payload(payload::PayloadArgs::default()),
            Self::Scale(scale::ScaleArgs::default()),
            Self::History(history::HistoryArgs::default()),
            Self::Memory(memory::MemoryArgs::default()),
            Self::Recovery(recovery::RecoveryArgs::default()),
            Self::IdleTransaction(idle_transaction::IdleTransactionArgs::default()),
            Self::Idle(idle::IdleArgs::default()),
        ]
    }

    /// As on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Scale(_) => "scale",
            Self::History(_) => "history",
            Self::IdleTransaction(_) => "idle-transaction",
            Self::Memory(_) => "memory",
            Self::Idle(_) => "idle",
            Self::Recovery(_) => "recovery",
            Self::Batch(_) => "batch",
            Self::Payload(_) => "payload",
            Self::Transition(_) => "transition",
        }
    }

    pub(crate) async fn run(&self, stage: &mut Stage) -> Result<Vec<Record>> {
        match self {
            Self::Scale(args) => scale::run(stage, args).await,
            Self::History(args) => history::run(stage, args).await,
            Self::IdleTransaction(args) => idle_transaction::run(stage, args).await,
            Self::Memory(args) => memory::run(stage, args).await,
            Self::Idle(args) => idle::run(stage, args).await,
            Self::Recovery(args) => recovery::run(stage, args).await,
            Self::Batch(args) => batch::run(stage, args).await,
            Self::Payload(args) => payload::run(stage, args).await,
            Self::Transition(args) => transition::run(stage, args).await,
        }
    }
}

/// One record of several measurements of the same load: their rate in all. What cannot
/// be added up is left out.
fn one_of(records: Vec<Record>) -> Record {
    let mut one = Record::default();
    for record in records {
        let first = one.steps == 0;
        one = Record {
            command: record.command,
            shape: record.shape,
            mode: record.mode,
            tasks: one.tasks + record.tasks,
            steps: one.steps + record.steps,
            in_flight: record.in_flight,
            seconds: rounded(one.seconds + record.seconds),
            commit_probe_ms: BeforeAfter {
                before: if first {
                    record.commit_probe_ms.before
                } else {
                    one.commit_probe_ms.before
                },
                after: record.commit_probe_ms.after,
            },
            setting: record.setting,
            ..Record::default()
        };
    }
    one.steps_per_second = Some((one.steps as f64 / one.seconds).round());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_several_measurements_is_that_of_all_their_steps_and_time() {
        let measured = |seconds, before, after| Record {
            steps: 1000,
            seconds,
            commit_probe_ms: BeforeAfter { before, after },
            ..Record::default()
        };
        let one = one_of(vec![measured(1.0, 0.1, 0.2), measured(3.0, 0.3, 0.4)]);
        assert_eq!((one.steps, one.steps_per_second), (2000, Some(500.0)));
        let probe = one.commit_probe_ms;
        assert_eq!((probe.before, probe.after), (0.1, 0.4));
    }
}
