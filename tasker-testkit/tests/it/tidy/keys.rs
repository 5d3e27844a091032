//! An accepted configuration key is a key somebody reads.

use super::{none, tree};

/// `section.key` of every key of the base files.
fn keys(base_files: &[&str]) -> Vec<(String, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for line in base_files.iter().flat_map(|text| text.lines()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            found.push((section.to_owned(), key.to_owned()));
        }
    }
    found
}

/// Whether `text` has a field access of this name.
fn reads(text: &str, key: &str) -> bool {
    let rest_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(&format!(".{key}"))
        .skip(1)
        .any(|after| !after.starts_with(rest_of_name))
}

#[test]
fn every_configuration_key_is_read() {
    let tree = tree();
    let base: Vec<&str> = tree
        .iter()
        .filter(|file| file.path.starts_with("config/") && file.path.ends_with("/base.toml"))
        .map(|file| file.text.as_str())
        .collect();
    assert_eq!(base.len(), 3, "shared, orchestration and worker");
    let readers: Vec<&str> = tree
        .iter()
        .filter(|file| {
            file.is_rust()
                && file.is_product()
                && !file.path.starts_with("tasker-shared/src/config")
        })
        .map(|file| file.text.as_str())
        .collect();
    let breaches: Vec<String> = keys(&base)
        .into_iter()
        .filter(|(_, key)| !readers.iter().any(|text| reads(text, key)))
        .map(|(section, key)| format!("{section}.{key}"))
        .collect();
    none(&breaches, "a key that changes nothing must not be accepted");
}
