//! Targets for throughput and its cost.

use super::{plain, worst, Better, Measured, Target, TIMES};
use crate::cli::Mode;
use crate::record::Record;
use crate::records::{Load, Records};

const LINEAR: Load = ("linear_20", 500);
const FAN_100: Load = ("fan_100", 50);
const FAN_1000: Load = ("fan_1000", 2);
const FAN_10000: Load = ("fan_10000", 2);
const MIXED: Load = ("diamond merge_7 tree_8", 500);
const LARGE: Load = ("layered_100x100", 1);
/// As many steps ready as in [`LARGE`], in tasks of a hundred steps.
const SMALL: Load = ("layered_10x10", 10);
/// The loads that targets for all loads speak of.
const LOADS: [Load; 6] = [LINEAR, FAN_100, FAN_1000, FAN_10000, MIXED, LARGE];

pub(super) const TARGETS: &[Target] = &[
    Target::more("linear, 500 tasks of 20 in flight, queued", "steps/s")
        .gate(4000.0)
        .aim(8000.0)
        .is(|all| rate(all, LINEAR)),
    Target::more("fan 1→100→1, 50 in flight, queued", "steps/s")
        .gate(5000.0)
        .aim(9000.0)
        .is(|all| rate(all, FAN_100)),
    Target::more("fan 1→1,000→1, queued", "steps/s")
        .gate(5000.0)
        .aim(9000.0)
        .is(|all| rate(all, FAN_1000)),
    Target::more("fan 1→10,000→1, queued", "steps/s")
        .gate(5000.0)
        .aim(9000.0)
        .is(|all| rate(all, FAN_10000)),
    Target::more("mixed, 500 in flight, queued", "steps/s")
        .gate(4000.0)
        .aim(7000.0)
        .is(|all| rate(all, MIXED)),
    Target::more("layered 100×100 against layered 10×10, queued", TIMES)
        .gate(0.8)
        .is(|all| {
            let (large, small) = (
                all.load(LARGE, Mode::Queued)?,
                all.load(SMALL, Mode::Queued)?,
            );
            Some(plain(large.steps_per_second? / small.steps_per_second?))
        }),
    Target::more("direct against queued, lowest of the loads", TIMES)
        .gate(1.15)
        .is(|all| {
            worst_load(Better::More, |load| {
                let (direct, queued) =
                    (all.load(load, Mode::Direct)?, all.load(load, Mode::Queued)?);
                Some(of(
                    direct,
                    direct.steps_per_second? / queued.steps_per_second?,
                ))
            })
        }),
    Target::more(
        "rate against the anchor's, lowest of the queued loads",
        TIMES,
    )
    .gate(0.25)
    .aim(0.40)
    .is(|all| queued(all, Better::More, |record| all.anchor_ratio(record))),
    Target::less(
        "PostgreSQL's CPU time per step, highest of the queued loads",
        "µs",
    )
    .gate(150.0)
    .aim(100.0)
    .is(|all| queued(all, Better::Less, |record| record.cost.postgres_us())),
    Target::less("own CPU time per step, highest of the queued loads", "µs")
        .gate(60.0)
        .aim(30.0)
        .is(|all| queued(all, Better::Less, |record| record.cost.own_us())),
    Target::less("WAL per step, highest of the queued loads", "KB")
        .gate(4.0)
        .aim(2.5)
        .is(|all| {
            queued(all, Better::Less, |record| {
                Some(record.cost.wal_bytes_per_step / 1000.0)
            })
        }),
    Target::less("commits per step, highest of the queued loads", "")
        .gate(0.10)
        .aim(0.04)
        .is(|all| {
            queued(all, Better::Less, |record| {
                Some(record.cost.commits_per_step)
            })
        }),
];

fn rate(all: &Records, load: Load) -> Option<Measured> {
    Some(plain(all.load(load, Mode::Queued)?.steps_per_second?))
}

fn of(record: &Record, value: f64) -> Measured {
    Measured {
        value,
        of: Some(record.label()),
    }
}

/// The worst value of all loads; none if one of them is missing, which may be the worst.
fn worst_load(better: Better, value: impl Fn(Load) -> Option<Measured>) -> Option<Measured> {
    let values: Option<Vec<Measured>> = LOADS.into_iter().map(value).collect();
    worst(better, values?, Some)
}

/// That of the queued loads.
fn queued(
    all: &Records,
    better: Better,
    value: impl Fn(&Record) -> Option<f64>,
) -> Option<Measured> {
    worst_load(better, |load| {
        let record = all.load(load, Mode::Queued)?;
        Some(of(record, value(record)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells;

    #[test]
    fn every_load_a_target_speaks_of_is_run() {
        let run: Vec<(String, usize)> = cells::loads()
            .iter()
            .map(|load| (load.names().join(" "), load.in_flight))
            .collect();
        for (shape, in_flight) in LOADS.into_iter().chain([SMALL]) {
            assert!(run.contains(&(shape.to_owned(), in_flight)), "{shape}");
        }
    }
}
