//! What a configuration promises: precedence, origins, refusals, silence.

mod defaults;
mod refusals;
mod secrets;

use std::path::Path;

use tempfile::TempDir;

use super::{load, Config, ConfigError, ConfigSources, Loaded, Origin, DEFAULT_ENVIRONMENT};

/// Sources of one test; nothing comes from the process that runs it.
struct Given {
    directory: TempDir,
    sources: ConfigSources,
}

impl Given {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let sources = ConfigSources {
            directory: Some(directory.path().to_path_buf()),
            environment: DEFAULT_ENVIRONMENT.to_owned(),
            ..ConfigSources::default()
        };
        Self { directory, sources }
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn environment(mut self, name: &str) -> Self {
        name.clone_into(&mut self.sources.environment);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.variables.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.overrides.push((key.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.sources)
    }

    fn refused(&self) -> ConfigError {
        self.load().expect_err("the configuration is accepted")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

fn lease_of(given: &Given) -> (u64, Origin) {
    let loaded = given.load().unwrap();
    (
        loaded.config.engine.lease_ms,
        origin(&loaded, "engine.lease_ms"),
    )
}

fn origin(loaded: &Loaded, key: &str) -> Origin {
    let mut entries = loaded.origins.iter().filter(|entry| entry.key == key);
    entries.next().unwrap().origin.clone()
}

#[test]
fn each_layer_goes_over_the_one_before_and_is_named_as_the_origin() {
    let given = Given::new();
    assert_eq!(lease_of(&given), (10_000, Origin::BuiltIn));

    let given = given.file("shared/base.toml", "# note\n[engine]\nlease_ms = 11_000\n");
    let origin = |given: &Given, name: &str, line| Origin::File {
        path: given.path(name),
        line: Some(line),
    };
    let base = origin(&given, "shared/base.toml", 3);
    assert_eq!(lease_of(&given), (11_000, base));

    let name = "shared/environments/development.toml";
    let given = given.file(name, "engine.lease_ms = 12000");
    assert_eq!(lease_of(&given), (12_000, origin(&given, name, 1)));

    let variable = "TASKER__ENGINE__LEASE_MS";
    let given = given.variable(variable, "13000");
    assert_eq!(
        lease_of(&given),
        (13_000, Origin::Variable(variable.to_owned()))
    );

    let given = given.flag("engine.lease_ms", "14000");
    assert_eq!(lease_of(&given), (14_000, Origin::CommandLine));
    let given = given.flag("engine.lease_ms", "15000");
    assert_eq!(lease_of(&given), (15_000, Origin::CommandLine));
}

#[test]
fn a_layer_changes_only_the_keys_it_names() {
    let given = Given::new()
        .file("shared/base.toml", "[engine]\nmode = \"direct\"")
        .file("worker/base.toml", "[worker]\nconcurrency = 8");
    let config = given.load().unwrap().config;
    let mut expected = Config::default();
    expected.engine.mode = super::Mode::Direct;
    expected.worker.concurrency = 8;
    assert_eq!(config, expected);
}

#[test]
fn only_the_environment_asked_for_is_read() {
    let given = Given::new()
        .file(
            "shared/environments/production.toml",
            "[engine]\naudit = \"live\"",
        )
        .file(
            "worker/environments/staging.toml",
            "[worker]\nconcurrency = 3",
        );
    let config = given.load().unwrap().config;
    assert_eq!(config, Config::default());
    let config = given.environment("production").load().unwrap().config;
    assert_eq!(config.engine.audit, super::Audit::Live);
}

#[test]
fn an_environment_exists_once_it_has_a_file() {
    let given = Given::new().environment("staging");
    let error = given.refused();
    assert_eq!(error.problems[0].code, "unknown_environment");
    let given = given.file(
        "worker/environments/staging.toml",
        "[worker]\nconcurrency = 3",
    );
    assert_eq!(given.load().unwrap().config.worker.concurrency, 3);
}

#[test]
fn without_a_directory_the_built_in_defaults_serve() {
    let sources = ConfigSources {
        environment: DEFAULT_ENVIRONMENT.to_owned(),
        ..ConfigSources::default()
    };
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded
        .origins
        .iter()
        .all(|entry| entry.origin == Origin::BuiltIn));
}

#[test]
fn a_directory_that_holds_only_templates_is_fine() {
    let given = Given::new().file("tasks/demo.yaml", "name: demo");
    assert_eq!(given.load().unwrap().config, Config::default());
}

#[test]
fn text_of_a_variable_becomes_the_type_of_its_key() {
    let given = Given::new()
        .variable("TASKER__WORKER__NAMESPACES", "payments, shipping")
        .variable("TASKER__TEMPLATES__LOAD_ON_START", "false")
        .variable("TASKER__ORCHESTRATION__BIND", "[::1]:9000")
        .variable("TASKER__WORKER__WORKER_ID", "blue-1")
        .variable("TASKER_ENV", "ignored here")
        .variable("TASKERS__OTHER", "not ours");
    let config = given.load().unwrap().config;
    let namespaces: Vec<&str> = config.worker.namespaces.iter().map(AsRef::as_ref).collect();
    assert_eq!(namespaces, ["payments", "shipping"]);
    assert!(!config.templates.load_on_start);
    assert!(config.orchestration.bind.is_ipv6());
    assert_eq!(config.worker.identity(), "blue-1");
}

#[test]
fn workers_without_a_name_get_different_ones() {
    let worker = Config::default().worker;
    assert_ne!(worker.identity(), worker.identity());
}

#[test]
fn database_url_only_fills_a_gap() {
    let fallback = "postgres://u@fallback/db";
    let given = Given::new().variable("DATABASE_URL", fallback);
    let loaded = given.load().unwrap();
    assert!(loaded.config.database.describe().contains("host=fallback"));
    assert_eq!(
        origin(&loaded, "database.url"),
        Origin::Variable("DATABASE_URL".to_owned())
    );
    let given = given.file(
        "shared/base.toml",
        "[database]\nurl = \"postgres://u@file/db\"",
    );
    let loaded = given.load().unwrap();
    assert!(loaded.config.database.describe().contains("host=file"));
    let given = given.variable("TASKER__DATABASE__URL", "postgres://u@variable/db");
    let loaded = given.load().unwrap();
    assert!(loaded.config.database.describe().contains("host=variable"));
}

#[test]
fn the_listing_has_every_key_with_value_and_origin() {
    let given = Given::new().flag("worker.concurrency", "7");
    let loaded = given.load().unwrap();
    assert_eq!(loaded.origins.len(), super::keys::KEYS.len());
    let listing = loaded.to_string();
    for line in [
        "worker.concurrency = 7  (command line)",
        "database.url = (not set)  (built-in default)",
        "worker.namespaces = []  (built-in default)",
        "orchestration.bind = 127.0.0.1:8080  (built-in default)",
    ] {
        assert!(listing.contains(line), "missing {line:?} in\n{listing}");
    }
}

#[test]
fn the_shipped_environments_are_accepted() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for environment in ["development", "test", "production"] {
        let sources = ConfigSources {
            directory: Some(directory.clone()),
            environment: environment.to_owned(),
            ..ConfigSources::default()
        };
        load(&sources).unwrap();
    }
}
