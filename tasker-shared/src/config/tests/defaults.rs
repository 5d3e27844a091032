//! The defaults are written twice, for the compiler and for the reader: the two
//! must agree, and every key must be explained.

use std::collections::BTreeSet;

use super::super::files::PARTS;
use super::super::keys::{Key, Kind, KEYS};
use super::super::reading::Raw;
use super::super::{load, Config, ConfigSources, DEFAULT_ENVIRONMENT};

/// The lines of all base files, in order.
fn base_lines() -> Vec<&'static str> {
    PARTS.iter().flat_map(|part| part.base.lines()).collect()
}

/// `section.key` of every key a base file sets, with the comment above it; keys
/// that follow each other without one share it.
fn commented_keys() -> Vec<(String, String)> {
    let (mut section, mut comment, mut keys) = (String::new(), String::new(), Vec::new());
    let mut in_comment = false;
    for line in base_lines() {
        if let Some(text) = line.strip_prefix('#') {
            if !in_comment {
                comment.clear();
            }
            in_comment = true;
            comment.push_str(text);
        } else {
            in_comment = false;
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
                comment.clear();
            } else if let Some((key, _)) = line.split_once(" = ") {
                keys.push((format!("{section}.{key}"), comment.clone()));
            }
        }
    }
    keys
}

#[test]
fn base_files_equal_the_default_impls() {
    let sources = ConfigSources {
        environment: DEFAULT_ENVIRONMENT.to_owned(),
        ..ConfigSources::default()
    };
    assert_eq!(load(&sources).unwrap().config, Config::default());
}

#[test]
fn base_files_the_table_and_the_sections_have_the_same_keys() {
    let table: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(table.len(), KEYS.len(), "a key is in the table twice");
    let base: BTreeSet<String> = commented_keys().into_iter().map(|(key, _)| key).collect();
    assert_eq!(base, table);
    let sections = serde_json::to_value(Config::default()).unwrap();
    let sections: BTreeSet<String> = sections
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(section, keys)| {
            let keys = keys.as_object().unwrap().keys();
            keys.map(move |key| format!("{section}.{key}"))
        })
        .collect();
    assert_eq!(sections, table);
}

#[test]
fn every_key_of_the_base_files_is_explained_with_its_range() {
    for (key, comment) in commented_keys() {
        assert!(!comment.is_empty(), "{key} has no comment");
        let row = super::super::keys::find(&key).unwrap();
        if let Kind::Integer { min, max } = row.kind {
            let range = format!("{min} to {max}");
            assert!(
                comment.contains(&range),
                "the comment of {key} lacks {range:?}: {comment}"
            );
        }
    }
}

#[test]
fn every_choice_of_the_table_is_a_variant_and_every_limit_fits_its_type() {
    for Key { path, kind } in KEYS {
        let values: Vec<String> = match kind {
            Kind::Choice(choices) => choices.iter().map(|c| (*c).to_owned()).collect(),
            Kind::Integer { min, max } => vec![min.to_string(), max.to_string()],
            _ => continue,
        };
        for value in values {
            // Combinations are not the point here: these keep them in order.
            let sources = ConfigSources {
                environment: DEFAULT_ENVIRONMENT.to_owned(),
                overrides: vec![
                    ("orchestration.body_max_bytes".into(), "67108864".into()),
                    ("engine.results_inline_max_bytes".into(), "0".into()),
                    ("engine.context_max_bytes".into(), "1024".into()),
                    ((*path).to_owned(), value.clone()),
                ],
                ..ConfigSources::default()
            };
            let problems = load(&sources).err().map(|error| error.problems);
            let only_combinations = problems
                .iter()
                .flatten()
                .all(|problem| problem.key.is_some() && problem.code == "inconsistent");
            assert!(only_combinations, "{path} = {value}: {problems:?}");
        }
    }
}

#[test]
fn a_number_just_outside_its_range_is_refused_for_every_key() {
    for key in KEYS {
        if let Kind::Integer { min, max } = key.kind {
            for value in [min - 1, max + 1] {
                let refusal = key.read(&Raw::Text(&value.to_string())).err().unwrap();
                assert_eq!(refusal.code, "out_of_range", "{} = {value}", key.path);
            }
        }
    }
}
