//! Walks the corpus of bad input under `testdata/corpus`.
//!
//! A file of `yaml/` or `json/` is called `label.code.ext`: `code` is the code
//! of its first problem, or `ok`. A line of `names/` is a verdict and a name.

use std::fs;
use std::path::{Path, PathBuf};

use crate::domain::{
    parse_json, parse_template, JsonLimits, Namespace, StepName, TemplateName, Version,
};

/// The files of one folder with the code their name announces.
fn files(folder: &str, least: usize) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/corpus")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= least, "only {} files", files.len());
    let code = |path: &Path| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        stem.rsplit('.').next().unwrap().to_owned()
    };
    files
        .into_iter()
        .map(|path| (path.clone(), code(&path)))
        .collect()
}

#[test]
fn every_template_of_the_corpus_gets_its_code() {
    let mut wrong = Vec::new();
    for (path, expected) in files("yaml", 80) {
        let text = fs::read_to_string(&path).unwrap();
        let found = match parse_template(&text, "t.yaml", "test") {
            Ok(_) => "ok".to_owned(),
            Err(error) => {
                let first = &error.problems[0];
                assert!(!first.message.is_empty() && !error.to_string().contains('\0'));
                format!("{} ({error})", first.code)
            }
        };
        if found.split(' ').next() != Some(&expected) {
            wrong.push(format!("{}: {found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_document_of_the_corpus_gets_its_code() {
    let mut wrong = Vec::new();
    for (path, expected) in files("json", 40) {
        let found = match parse_json(&fs::read(&path).unwrap(), &JsonLimits::default()) {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{} ({error})", error.code()),
        };
        if found.split(' ').next() != Some(&expected) {
            wrong.push(format!("{}: {found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_name_of_the_corpus_gets_its_verdict() {
    for (path, _) in files("names", 4) {
        let kind = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in fs::read_to_string(&path)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let (verdict, name) = line.split_once('\t').unwrap();
            let name: String = serde_json::from_str(name).unwrap();
            let accepted = match kind.as_str() {
                "namespace" => Namespace::parse(&name).is_ok(),
                "template_name" => TemplateName::parse(&name).is_ok(),
                "step_name" => StepName::parse(&name).is_ok(),
                "version" => Version::parse(&name).is_ok(),
                other => panic!("no rule for {other}"),
            };
            assert_eq!(accepted, verdict == "ok", "{kind} {name:?}");
        }
    }
}
