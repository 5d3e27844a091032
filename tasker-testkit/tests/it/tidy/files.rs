//! What a file looks like, and what must not be in it.

use super::{none, tree, TextFile};

const FILE_MAX_LINES: usize = 800;
const LIB_MAX_LINES: usize = 80;

fn breaches_of(rule: impl Fn(&TextFile) -> Option<String>) -> Vec<String> {
    tree()
        .iter()
        .filter_map(|file| rule(file).map(|why| format!("{}: {why}", file.path)))
        .collect()
}

/// Every line of the chosen files that holds one of `words`.
fn lines_with(words: &[String], chosen: impl Fn(&TextFile) -> bool) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in tree().iter().filter(|file| chosen(file)) {
        for (number, line) in file.lines() {
            if words.iter().any(|word| line.contains(word)) {
                breaches.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    breaches
}

#[test]
fn files_stay_small() {
    let breaches = breaches_of(|file| {
        let is_lib = file.path.ends_with("/src/lib.rs");
        let limit = if is_lib {
            LIB_MAX_LINES
        } else {
            FILE_MAX_LINES
        };
        let lines = file.text.lines().count();
        (file.is_rust() && lines > limit).then(|| format!("{lines} lines, limit {limit}"))
    });
    none(&breaches, "split a file before it is too long to read");
}

#[test]
fn every_rust_file_opens_with_what_it_owns() {
    let breaches = breaches_of(|file| {
        let missing = file.is_rust() && !file.text.starts_with("//! ");
        missing.then(|| "the first line is not `//! ...`".to_owned())
    });
    none(
        &breaches,
        "a file opens with what it owns and what it does not",
    );
}

#[test]
fn modules_have_names() {
    let breaches = breaches_of(|file| file.path.ends_with("/mod.rs").then(String::new));
    none(&breaches, "foo.rs and foo/, never foo/mod.rs");
}

#[test]
fn what_a_module_gives_away_is_listed() {
    let breaches = breaches_of(|file| {
        if !file.is_rust() || !file.is_product() {
            return None;
        }
        // A statement may span lines: look at it as one.
        let reexports = file.text.split(';').filter_map(|statement| {
            let at = statement
                .find("pub use ")
                .or_else(|| statement.find("pub(crate) use "))?;
            Some(
                statement[at..]
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        });
        reexports
            .into_iter()
            .find(|statement| statement.contains("::*") || statement.contains("{*"))
    });
    none(&breaches, "re-exports name what they export");
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, so that this file does not find itself.
    let words = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
    ]
    .map(|parts| parts.concat());
    let code = |file: &TextFile| {
        file.is_product() || file.path.starts_with("config/") || file.path.starts_with("docker/")
    };
    none(&lines_with(&words, code), "finish it, or leave it out");
}

#[test]
fn every_test_runs() {
    let words = [["#[ig", "nore"].concat()];
    none(
        &lines_with(&words, TextFile::is_rust),
        "a test that does not run proves nothing",
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let words = [
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
    ]
    .map(|parts| parts.concat());
    let own = |file: &TextFile| !file.path.contains("/testdata/") && !file.path.contains("/data/");
    none(
        &lines_with(&words, own),
        "paths are relative, or the user's to choose",
    );
}
