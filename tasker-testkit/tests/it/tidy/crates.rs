//! Dependencies run one way: shared, then orchestration and worker-foundation,
//! then what joins them. Inside shared, the domain knows nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::{has_word, none, tree, TextFile};

/// What each crate may build on, of the others.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("tasker-shared", &[]),
    ("tasker-cluster", &[]),
    ("tasker-client", &["tasker-shared"]),
    ("tasker-orchestration", &["tasker-shared"]),
    ("tasker-worker-foundation", &["tasker-shared"]),
    (
        "tasker-worker-rust",
        &["tasker-shared", "tasker-worker-foundation"],
    ),
    ("tasker-testkit", &["tasker-shared", "tasker-cluster"]),
    (
        "tasker-cli",
        &[
            "tasker-shared",
            "tasker-cluster",
            "tasker-client",
            "tasker-orchestration",
            "tasker-worker-foundation",
            "tasker-worker-rust",
        ],
    ),
    (
        "tasker-bench",
        &["tasker-shared", "tasker-cluster", "tasker-client"],
    ),
    (
        "bindings/ruby/ext/tasker_core",
        &["tasker-shared", "tasker-worker-foundation"],
    ),
];

/// The crates of this workspace named in `[dependencies]`.
fn dependencies(manifest: &TextFile) -> BTreeSet<String> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section == "dependencies" && line.starts_with("tasker-") {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            found.insert(line[..end].to_owned());
        }
    }
    found
}

#[test]
fn crates_depend_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut breaches = Vec::new();
    let mut seen = BTreeSet::new();
    for manifest in tree() {
        let Some(name) = manifest.path.strip_suffix("/Cargo.toml") else {
            continue;
        };
        let Some(may) = allowed.get(name) else {
            breaches.push(format!("{name}: not in the table of this test"));
            continue;
        };
        seen.insert(name.to_owned());
        for dependency in dependencies(&manifest) {
            if !may.contains(&dependency.as_str()) {
                breaches.push(format!("{name} -> {dependency}"));
            }
        }
    }
    none(&breaches, "a crate may build only on those below it");
    assert_eq!(
        seen.len(),
        ALLOWED.len(),
        "a crate of the table is gone: {seen:?}"
    );
}

#[test]
fn orchestration_and_workers_do_not_know_each_other() {
    let apart = [
        ("tasker-orchestration/src/", "tasker_worker_foundation"),
        ("tasker-worker-foundation/src/", "tasker_orchestration"),
    ];
    let breaches: Vec<String> = tree()
        .iter()
        .filter(|file| {
            apart
                .iter()
                .any(|(at, other)| file.path.starts_with(at) && file.text.contains(other))
        })
        .map(|file| file.path.clone())
        .collect();
    none(&breaches, "only a program that holds both roles joins them");
}

#[test]
fn the_domain_is_pure() {
    let mut breaches = Vec::new();
    for file in tree() {
        let inside = file.path.starts_with("tasker-shared/src/domain/")
            || file.path == "tasker-shared/src/domain.rs";
        // Tests read their corpora from files.
        if !inside || !file.is_rust() || file.path.contains("/tests") {
            continue;
        }
        for (number, line) in file
            .lines()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let outside = ["sqlx", "tokio", "pgmq", "axum"]
                .iter()
                .any(|name| has_word(line, name));
            let upwards = ["store", "config", "messaging", "telemetry", "wire"]
                .iter()
                .any(|module| line.contains(&format!("crate::{module}")));
            if outside || upwards || line.contains("async fn") || line.contains("std::fs") {
                breaches.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    none(
        &breaches,
        "domain/ has no I/O, no async, and knows nothing of the modules around it",
    );
}

/// Third-party crates of a manifest, tests' ones included.
pub(super) fn third_parties(manifest: &TextFile) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && !line.starts_with(['#', ' '])
            && !line.starts_with("tasker-")
        {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            if end > 0 {
                found.push(line[..end].to_owned());
            }
        }
    }
    found
}

#[test]
fn every_dependency_is_used() {
    let tree = tree();
    let mut breaches = Vec::new();
    for manifest in &tree {
        let Some(folder) = manifest
            .path
            .strip_suffix("Cargo.toml")
            .filter(|folder| !folder.is_empty())
        else {
            continue;
        };
        for name in third_parties(manifest) {
            let module = name.replace('-', "_");
            let uses = |file: &&TextFile| {
                file.is_rust() && file.path.starts_with(folder) && has_word(&file.text, &module)
            };
            if !tree.iter().any(|file| uses(&file)) {
                breaches.push(format!("{folder}: {name}"));
            }
        }
    }
    none(&breaches, "a dependency nobody uses is one to remove");
}
