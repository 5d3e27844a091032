//! Documents speak of what exists: their links lead somewhere, the files they
//! name are there, every direct dependency is accounted for.

use std::collections::BTreeSet;
use std::path::Path;

use super::crates::third_parties;
use super::{none, root, tree, TextFile};

const ARCHITECTURE_MAX_LINES: usize = 250;

fn documents() -> Vec<TextFile> {
    tree()
        .into_iter()
        .filter(|file| file.has_extension("md"))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut breaches = Vec::new();
    for document in documents() {
        let folder = Path::new(&document.path)
            .parent()
            .unwrap_or(Path::new(""))
            .to_owned();
        for (number, line) in document.lines() {
            for target in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let file = target.split('#').next().unwrap_or_default();
                let is_external = file.contains("://") || file.is_empty();
                if !is_external && !root().join(&folder).join(file).exists() {
                    breaches.push(format!("{}:{number}: {target}", document.path));
                }
            }
        }
    }
    none(&breaches, "a link leads to a file of the tree");
}

/// A code span that begins with a folder of the root is a path from there. `*`
/// and `{}` make it a pattern, of which the part before them must exist. The document
/// of an example may speak of files beside it.
#[test]
fn files_that_documents_name_exist() {
    let folders: BTreeSet<String> = tree()
        .iter()
        .filter_map(|file| file.path.split_once('/'))
        .map(|(first, _)| format!("{first}/"))
        .collect();
    let mut breaches = Vec::new();
    for document in documents() {
        let folder = root().join(&document.path).with_file_name("");
        for (number, line) in document.lines() {
            for span in line.split('`').skip(1).step_by(2) {
                let is_path =
                    folders.iter().any(|folder| span.starts_with(folder)) && !span.contains(' ');
                let fixed = match span.find(['*', '{', '<']) {
                    Some(at) => &span[..span[..at].rfind('/').unwrap_or(0)],
                    None => span,
                };
                if is_path && !root().join(fixed).exists() && !folder.join(fixed).exists() {
                    breaches.push(format!("{}:{number}: {span}", document.path));
                }
            }
        }
    }
    none(&breaches, "a file that is named exists");
}

/// A code span as long as a claim is the name of a test.
#[test]
fn tests_that_documents_name_exist() {
    let tree = tree();
    let is_claim = |span: &str| {
        span.matches('_').count() >= 5
            && span
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut breaches = Vec::new();
    for document in documents() {
        for (number, line) in document.lines() {
            for span in line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|span| is_claim(span))
            {
                let declared = format!("fn {span}(");
                if !tree
                    .iter()
                    .any(|file| file.is_rust() && file.text.contains(&declared))
                {
                    breaches.push(format!("{}:{number}: {span}", document.path));
                }
            }
        }
    }
    none(&breaches, "a test that is named exists");
}

#[test]
fn the_architecture_is_told_in_a_few_pages() {
    let document = documents()
        .into_iter()
        .find(|file| file.path == "ARCHITECTURE.md")
        .unwrap();
    let lines = document.text.lines().count();
    assert!(
        lines <= ARCHITECTURE_MAX_LINES,
        "{lines} lines, limit {ARCHITECTURE_MAX_LINES}"
    );
}

/// A crate as the list of dependencies calls it: without what all names begin with, and a
/// binding by its language.
fn short_name(folder: &str) -> Option<&str> {
    let of_binding = || folder.strip_prefix("bindings/")?.split('/').next();
    folder.strip_prefix("tasker-").or_else(of_binding)
}

#[test]
fn every_dependency_is_accounted_for() {
    let tree = tree();
    let list = tree
        .iter()
        .find(|file| file.path == "docs/dependencies.md")
        .unwrap();
    let told = |name: &str, user: &str| {
        let row = list
            .text
            .lines()
            .find(|line| line.starts_with(&format!("| {name} |")));
        row.is_some_and(|row| {
            row.split('|')
                .nth(2)
                .is_some_and(|users| users.split(", ").any(|u| u.trim() == user))
        })
    };
    let mut breaches = Vec::new();
    for manifest in &tree {
        if let Some(user) = manifest
            .path
            .strip_suffix("/Cargo.toml")
            .and_then(short_name)
        {
            let untold = third_parties(manifest)
                .into_iter()
                .filter(|name| !told(name, user));
            breaches.extend(untold.map(|name| format!("{name}, used by {user}")));
        }
    }
    none(
        &breaches,
        "docs/dependencies.md says why each direct dependency is here",
    );
}
