//! Targets for what the experiments measure.

use super::{plain, worst, Better, Measured, Target, TIMES};
use crate::record::Record;
use crate::records::Records;

pub(super) const TARGETS: &[Target] = &[
    Target::more(
        "which steps became ready, against the Rails engine, 10 steps",
        TIMES,
    )
    .gate(10.0)
    .is(|all| readiness(all, 10)),
    Target::more("the same, 100 steps", TIMES)
        .gate(30.0)
        .aim(100.0)
        .is(|all| readiness(all, 100)),
    Target::more("the same, 1,000 steps", TIMES)
        .gate(100.0)
        .is(|all| readiness(all, 1000)),
    Target::more("the same, 10,000 steps", TIMES)
        .gate(500.0)
        .is(|all| readiness(all, 10_000)),
    Target::more("the same, any size", TIMES)
        .gate(1.0)
        .is(|all| least_good(all, "readiness", Better::More, "ratio")),
    Target::less("one durable transition: p50 beyond one commit", "ms")
        .gate(0.2)
        .is(|all| {
            let record = all.of("transition").next()?;
            Some(plain(
                value(record, "single_ms")? - value(record, "commit_ms")?,
            ))
        }),
    Target::less("one durable transition of a batch", "µs")
        .gate(40.0)
        .is(|all| least_good(all, "transition", Better::Less, "amortised_us")),
    Target::less("1,000 tasks of 10 steps in one request", "ms")
        .gate(1000.0)
        .is(|all| least_good(all, "batch", Better::Less, "batch_ms")),
    Target::more("rate with a million stored steps against none", TIMES)
        .gate(0.95)
        .aim(0.98)
        .is(|all| least_good(all, "history", Better::More, "ratio")),
    Target::more("rate with 2 and 4 of a service against 1", TIMES)
        .gate(0.95)
        .is(|all| least_good(all, "scale", Better::More, "ratio")),
    Target::less("memory of an idle orchestrator", "MB")
        .gate(30.0)
        .is(|all| least_good(all, "memory", Better::Less, "orchestrator_idle_mb")),
    Target::less("memory of an idle worker", "MB")
        .gate(25.0)
        .is(|all| least_good(all, "memory", Better::Less, "worker_idle_mb")),
    Target::less("memory of an active task of 100 steps", "KB")
        .gate(16.0)
        .is(|all| {
            let bytes = least_good(all, "memory", Better::Less, "bytes_per_task_100")?;
            Some(plain(bytes.value / 1e3))
        }),
    Target::less("memory of an active task of 10,000 steps", "MB")
        .gate(0.5)
        .is(|all| {
            let bytes = least_good(all, "memory", Better::Less, "bytes_per_task_10000")?;
            Some(plain(bytes.value / 1e6))
        }),
    Target::less("0.95 of the rate after both services were killed", "s")
        .gate(5.0)
        .is(|all| least_good(all, "recovery", Better::Less, "recovered_s")),
    Target::more("rate during a transaction left open for two minutes", TIMES)
        .gate(0.7)
        .aim(0.9)
        .is(|all| least_good(all, "idle-transaction", Better::More, "during_ratio")),
    Target::more("rate after that transaction", TIMES)
        .gate(0.95)
        .is(|all| least_good(all, "idle-transaction", Better::More, "after_ratio")),
    Target::less("statements of an idle service in a minute", "")
        .gate(30.0)
        .aim(12.0)
        .is(|all| {
            let services = ["orchestrator_per_minute", "worker_per_minute"];
            worst(Better::Less, services, |service| {
                least_good(all, "idle", Better::Less, service)
            })
        }),
];

fn value(record: &Record, name: &str) -> Option<f64> {
    record.values.get(name).copied()
}

/// The worst of a value over the records of an experiment.
fn least_good(all: &Records, command: &str, better: Better, name: &str) -> Option<Measured> {
    let several = all.of(command).count() > 1;
    worst(better, all.of(command), |record| {
        Some(Measured {
            value: value(record, name)?,
            of: record.variant.clone().filter(|_| several),
        })
    })
}

fn readiness(all: &Records, steps: usize) -> Option<Measured> {
    let sized = all.of("readiness").filter(|record| record.steps == steps);
    worst(Better::More, sized, |record| {
        Some(Measured {
            value: value(record, "ratio")?,
            of: record.variant.clone(),
        })
    })
}
