//! Targets for steps that nothing else competes with.

use super::{plain, Measured, Target};
use crate::cli::Mode;
use crate::record::Record;
use crate::stats::Percentiles;

pub(super) const TARGETS: &[Target] = &[
    Target::less("lone chained step, direct: p50 beyond one commit", "ms")
        .gate(0.7)
        .is(|all| beyond_commits(all.lone(Mode::Direct)?, 1.0)),
    Target::less("lone chained step, direct: p50", "ms")
        .aim(1.0)
        .is(|all| Some(plain(next_start(all.lone(Mode::Direct)?)?.p50))),
    Target::less("lone chained step, direct: p99", "ms")
        .gate(5.0)
        .is(|all| Some(plain(next_start(all.lone(Mode::Direct)?)?.p99))),
    Target::less("lone chained step, queued: p50 beyond two commits", "ms")
        .gate(1.2)
        .aim(0.7)
        .is(|all| beyond_commits(all.lone(Mode::Queued)?, 2.0)),
    Target::less("POST of a task to its first handler, direct: p50", "ms")
        .gate(3.0)
        .aim(1.5)
        .is(|all| Some(plain(all.lone(Mode::Direct)?.lone_ms?.post_to_start?.p50))),
    Target::less("POST of a task to its first handler, queued: p50", "ms")
        .gate(3.0)
        .aim(1.5)
        .is(|all| Some(plain(all.lone(Mode::Queued)?.lone_ms?.post_to_start?.p50))),
];

fn next_start(lone: &Record) -> Option<Percentiles> {
    lone.lone_ms?.next_start
}

/// The median less the commits that a lone step must wait for.
fn beyond_commits(lone: &Record, commits: f64) -> Option<Measured> {
    Some(plain(
        next_start(lone)?.p50 - commits * lone.commit_probe_ms.mean(),
    ))
}
