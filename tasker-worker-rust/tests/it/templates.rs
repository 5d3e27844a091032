//! Templates made for these tests, and those that are shipped.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tasker_client::Client;

/// A template of namespace `it`; each step is its YAML without the dash.
pub(crate) fn template(name: &str, steps: &[&str]) -> String {
    let mut yaml = format!(
        "name: {name}\nnamespace_name: it\nversion: 1.0.0\ntask_handler_class: It::Task\n\
         default_dependent_system: it\nstep_templates:\n"
    );
    for step in steps {
        let _ = writeln!(yaml, "  - {{{step}}}");
    }
    yaml
}

/// A diamond of steps that sleep.
pub(crate) fn sleepy_diamond(name: &str, ms: u64) -> String {
    let step =
        |rest: &str| format!("{rest}, handler_class: Bench::Sleep, handler_config: {{ms: {ms}}}");
    let steps = [
        step("name: first"),
        step("name: left, depends_on_step: first"),
        step("name: right, depends_on_step: first"),
        step("name: last, depends_on_steps: [left, right]"),
    ];
    template(name, &steps.each_ref().map(String::as_str))
}

/// One step that sleeps.
pub(crate) fn nap(name: &str, ms: u64) -> String {
    let step = format!("name: nap, handler_class: Bench::Sleep, handler_config: {{ms: {ms}}}");
    template(name, &[&step])
}

/// The directory of the shipped configuration.
pub(crate) fn config_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

/// A shipped template, `namespace/name`, as a user would register it.
pub(crate) async fn register_shipped(client: &Client, template: &str) {
    let file = config_directory().join(format!("tasks/{template}/1.0.0.yaml"));
    register(client, &std::fs::read_to_string(file).unwrap()).await;
}

pub(crate) async fn register(client: &Client, yaml: &str) {
    client.register_template(yaml).await.unwrap();
}
