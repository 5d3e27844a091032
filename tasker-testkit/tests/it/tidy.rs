//! The house rules a machine can check, over the whole tree: which crate may
//! build on which, what a file looks like, what must not be in it, and that
//! documents speak of what exists.
//!
//! Reads files and nothing else. A test that fails lists every breach with its
//! place, and the rule in one line.

mod crates;
mod documents;
mod files;
mod keys;
mod operations;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the tree as text, with its path from the root, `/` between parts.
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// Code that ships, tests inside it included.
    pub(crate) fn is_product(&self) -> bool {
        let mut parts = self.path.split('/');
        let first = parts.next().unwrap_or_default();
        (first.starts_with("tasker-") && parts.next() == Some("src"))
            || (first == "bindings" && !self.path.contains("/spec/"))
            || first == "migrations"
    }

    /// Its lines, numbered from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file below the root but what is built, kept for a run or git's own.
pub(crate) fn tree() -> Vec<TextFile> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    assert!(
        found.len() > 200,
        "only {} files found: is the root right?",
        found.len()
    );
    found
}

fn collect(directory: &Path, prefix: &str, found: &mut Vec<TextFile>) {
    // Cargo marks every target directory, whatever its name.
    if directory.join("CACHEDIR.TAG").exists() {
        return;
    }
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !matches!(
                name.as_str(),
                ".git" | ".tasker" | "target" | "node_modules"
            ) {
                collect(&entry.path(), &format!("{path}/"), found);
            }
        } else if kind.is_file() {
            // A file may be gone again, and binary data has no lines to check.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                found.push(TextFile { path, text });
            }
        }
    }
}

/// Fails with the rule and every breach of it.
pub(crate) fn none(breaches: &[String], rule: &str) {
    assert!(
        breaches.is_empty(),
        "{rule}:\n  {}\n",
        breaches.join("\n  ")
    );
}

/// Whether `word` stands in `text` by itself, not as a part of a longer name.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_name) && !text[at + word.len()..].starts_with(is_name)
    })
}
