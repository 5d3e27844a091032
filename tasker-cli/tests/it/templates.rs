//! `tasker template` where it needs no service.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{run, run_in};

const GOOD: &str = "\
name: order
namespace_name: shop
version: 1.0.0
task_handler_class: Order
default_dependent_system: shop
step_templates:
  - {name: validate, handler_class: Validate}
  - {name: reserve, handler_class: Reserve, depends_on_step: validate}
  - {name: charge, handler_class: Charge, depends_on_step: validate}
  - {name: ship, handler_class: Ship, depends_on_steps: [reserve, charge]}
";

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn the_templates_of_this_tree_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let ran = run_in(root, &["template", "validate", "config/tasks"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let line = "config/tasks/ecommerce/order_fulfilment/1.0.0.yaml: ok, ecommerce/order_fulfilment 1.0.0 with 5 steps\n";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
}

#[test]
fn a_refused_template_names_file_line_and_step() {
    let bad = GOOD.replace(
        "depends_on_step: validate}\n  - {name: charge",
        "depends_on_step: valdate}\n  - {name: charge",
    );
    let (_directory, path) = file("bad.yaml", &bad);
    let ran = run(&["template", "validate", &path]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains(&format!("{path}: refused\n")),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("valdate"), "{}", ran.stdout);
    let ran = run(&["template", "validate", "--json", &path]);
    assert_eq!(ran.code, 1);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["errors"][0]["source"], path.as_str());
    assert_eq!(report["errors"][0]["step"], "reserve");
    assert!(report["errors"][0]["line"].is_u64(), "{report}");
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let (directory, _) = file("a.yaml", "name: [");
    fs::write(directory.path().join("b.yml"), GOOD).unwrap();
    let ran = run(&["template", "validate", directory.path().to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("a.yaml: refused"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("b.yml: ok, shop/order 1.0.0 with 4 steps"),
        "{}",
        ran.stdout
    );
}

#[test]
fn nothing_to_validate_is_wrong_usage() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        run(&["template", "validate", empty.path().to_str().unwrap()]).code,
        2
    );
    assert_eq!(run(&["template", "validate", "/no/such/file.yaml"]).code, 2);
}

#[test]
fn a_file_is_drawn_without_a_service() {
    let (_directory, path) = file("order.yaml", GOOD);
    let ran = run(&["template", "graph", &path]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let drawing = "
 ○      validate  Validate
 ├─○─╮  reserve   Reserve
 ╰─○─┤  charge    Charge
 ╭───╯
 ○      ship      Ship
";
    assert_eq!(format!("\n{}", ran.stdout), drawing);
    let ran = run(&["template", "graph", &path, "--format", "mermaid"]);
    assert!(
        ran.stdout
            .starts_with("flowchart TD\n    s0[\"validate\"]\n"),
        "{}",
        ran.stdout
    );
    let ran = run(&["template", "graph", &path, "--format", "dot"]);
    assert!(
        ran.stdout.starts_with("digraph \"order\" {\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("s2 -> s3;"), "{}", ran.stdout);
}
