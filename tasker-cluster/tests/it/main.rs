//! What a private cluster promises, shown on real servers.
#![allow(clippy::unwrap_used)]

mod lifecycle;
mod owner;

use std::time::{Duration, Instant};

use tasker_cluster::{Cluster, Settings};

fn temporary() -> Cluster {
    Cluster::builder()
        .settings(Settings::test())
        .start()
        .unwrap()
}

fn kept_in(directory: &std::path::Path) -> Cluster {
    Cluster::builder()
        .settings(Settings::test())
        .directory(directory)
        .start()
        .unwrap()
}

fn one_value(cluster: &Cluster, sql: &str) -> String {
    let rows = cluster.execute("postgres", sql).unwrap();
    rows[0][0].clone().unwrap()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
