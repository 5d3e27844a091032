//! What is refused, with the place, the key and what would be allowed.

use super::{ConfigError, Given};

/// The lines of the only problem of an error, after checking its code.
fn only(error: &ConfigError, code: &str) -> String {
    assert_eq!(error.problems.len(), 1, "{error}");
    assert_eq!(error.problems[0].code, code, "{error}");
    error.to_string()
}

fn assert_mentions(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "missing {part:?} in {text}");
    }
}

#[test]
fn an_unknown_key_is_refused_in_every_kind_of_source() {
    let given = Given::new().file("worker/base.toml", "[worker]\n\nconcurency = 4\n");
    let text = only(&given.refused(), "unknown_key");
    assert_mentions(
        &text,
        &["worker/base.toml:3", "worker.concurency", "concurrency"],
    );

    let name = "shared/environments/development.toml";
    let given = Given::new().file(name, "[engin]\nlease_ms = 9000");
    let text = only(&given.refused(), "unknown_key");
    assert_mentions(&text, &["development.toml:1", "engin ", "sections are"]);

    let given = Given::new().variable("TASKER__ENGINE__LEASE", "9000");
    let text = only(&given.refused(), "unknown_key");
    assert_mentions(
        &text,
        &["TASKER__ENGINE__LEASE", "engine.lease", "lease_ms"],
    );

    let given = Given::new().flag("engine.lease", "9000");
    let text = only(&given.refused(), "unknown_key");
    assert_mentions(&text, &["command line", "engine.lease"]);
}

#[test]
fn strange_tables_are_unknown_keys_too() {
    let texts = [
        "lease_ms = 9000",
        "[engine.lease_ms]\nx = 1",
        "[engine.deeper]",
        "[[engines]]\nx = 1",
        "[nothing]",
    ];
    for text in texts {
        only(
            &Given::new().file("shared/base.toml", text).refused(),
            "unknown_key",
        );
    }
    let scalar = Given::new().file("shared/base.toml", "engine = 5");
    only(&scalar.refused(), "unknown_key");
}

#[test]
fn a_section_in_the_file_of_another_part_is_refused() {
    let given = Given::new().file("orchestration/base.toml", "[worker]\nconcurrency = 4");
    let text = only(&given.refused(), "misplaced_section");
    assert_mentions(&text, &["orchestration/base.toml:1", "worker"]);
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    let cases = [
        ("4999", "is 4999"),
        ("3600001", "is 3600001"),
        ("-1", "is -1"),
        ("99999999999999999999", "is 99999999999999999999"),
    ];
    for (value, shown) in cases {
        let text = format!("[engine]\nlease_ms = {value}");
        let given = Given::new().file("shared/base.toml", &text);
        let text = only(&given.refused(), "out_of_range");
        let parts = ["base.toml:2", "engine.lease_ms", shown, "5000 to 3600000"];
        assert_mentions(&text, &parts);
    }
    let given = Given::new().variable("TASKER__WORKER__CONCURRENCY", "0");
    let text = only(&given.refused(), "out_of_range");
    assert_mentions(&text, &["TASKER__WORKER__CONCURRENCY", "1 to 10000"]);
    let given = Given::new().flag("worker.concurrency", "10001");
    let text = only(&given.refused(), "out_of_range");
    assert_mentions(&text, &["command line", "worker.concurrency is"]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let files = [
        "engine.lease_ms = \"9000\"",
        "engine.lease_ms = 9000.0",
        "engine.lease_ms = true",
        "engine.lease_ms = [9000]",
        "engine.lease_ms = 2020-01-01",
        "engine.mode = 1",
        "engine.mode = []",
        "templates.load_on_start = \"true\"",
        "templates.load_on_start = 1",
        "templates.directory = {}",
    ];
    for text in files {
        let given = Given::new().file("shared/base.toml", text);
        only(&given.refused(), "wrong_type");
    }
    for text in ["worker.namespaces = \"a\"", "worker.namespaces = [1]"] {
        let given = Given::new().file("worker/base.toml", text);
        only(&given.refused(), "wrong_type");
    }
    for (name, value) in [
        ("TASKER__ENGINE__LEASE_MS", "soon"),
        ("TASKER__ENGINE__LEASE_MS", ""),
        ("TASKER__TEMPLATES__LOAD_ON_START", "yes"),
    ] {
        only(&Given::new().variable(name, value).refused(), "wrong_type");
    }
}

#[test]
fn text_that_means_nothing_is_refused() {
    let cases = [
        ("engine.mode", "fast"),
        ("engine.mode", "Queued"),
        ("orchestration.bind", "localhost:8080"),
        ("orchestration.bind", "127.0.0.1"),
        ("worker.bind", "127.0.0.1:99999"),
        ("database.schema", "Public"),
        ("database.schema", "a\"b"),
        ("database.schema", "pg_catalog"),
        ("database.schema", ""),
        ("templates.directory", ""),
        ("worker.namespaces", "ok,Not-Ok"),
        ("worker.namespaces", "../etc"),
        ("worker.worker_id", "a b"),
        ("telemetry.log_level", "inof"),
        ("telemetry.log_level", ""),
        ("telemetry.trace_level", "info,x=loud"),
    ];
    for (key, value) in cases {
        let text = only(&Given::new().flag(key, value).refused(), "invalid_value");
        assert_mentions(&text, &[key, "allowed:"]);
    }
    for level in ["off", "WARN", "info,tasker_shared=debug,hyper=off"] {
        Given::new()
            .flag("telemetry.log_level", level)
            .load()
            .unwrap();
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let given = Given::new()
        .file("shared/base.toml", "[engine]\nlease_ms = 1\nmodus = 2")
        .file("worker/base.toml", "[worker\n")
        .variable("TASKER__WORKER__CONCURRENCY", "many")
        .flag("nowhere.at_all", "1");
    let error = given.refused();
    let codes: Vec<&str> = error.problems.iter().map(|p| p.code).collect();
    let expected = [
        "out_of_range",
        "unknown_key",
        "invalid_toml",
        "wrong_type",
        "unknown_key",
    ];
    assert_eq!(codes, expected, "{error}");
    assert_mentions(&error.to_string(), &["5 problems", "worker/base.toml:1"]);
}

#[test]
fn a_refused_value_is_refused_even_when_a_higher_layer_sets_a_good_one() {
    let given = Given::new()
        .file("shared/base.toml", "engine.lease_ms = 1")
        .flag("engine.lease_ms", "9000");
    only(&given.refused(), "out_of_range");
}

#[test]
fn an_address_others_can_reach_needs_an_explicit_yes() {
    for section in ["orchestration", "worker"] {
        let bind = format!("{section}.bind");
        for address in ["0.0.0.0:8080", "[::]:8080", "10.1.2.3:80"] {
            let given = Given::new().flag(&bind, address);
            let text = only(&given.refused(), "public_bind");
            let allow = format!("{section}.allow_public = true");
            assert_mentions(&text, &["command line", &bind, address, &allow]);
            let given = given.flag(&format!("{section}.allow_public"), "true");
            given.load().unwrap();
        }
        for address in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:8080"] {
            Given::new().flag(&bind, address).load().unwrap();
        }
    }
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let given = Given::new().flag("orchestration.body_max_bytes", "2048");
    let text = only(&given.refused(), "inconsistent");
    assert_mentions(&text, &["engine.context_max_bytes"]);
    let given = Given::new().flag("engine.result_max_bytes", "1024");
    only(&given.refused(), "inconsistent");
}

#[test]
fn a_directory_or_environment_that_cannot_be_is_refused() {
    let mut given = Given::new();
    let missing = given.path("missing");
    given.sources.directory = Some(missing);
    only(&given.refused(), "missing_directory");
    for name in ["", "../secrets", "a/b", "prodution", "x\0y"] {
        let given = Given::new().environment(name);
        only(&given.refused(), "unknown_environment");
    }
    let given = Given::new().file("shared/base.toml/inner", "");
    only(&given.refused(), "unreadable_file");
}
