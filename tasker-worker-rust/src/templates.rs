//! Tests of the templates shipped in `config/tasks`.
//!
//! Each must parse without a problem or a warning, lie where the loader looks
//! for it, and name handlers this crate has. Those of namespace `bench` are
//! generated here: run the tests with `UPDATE_GOLDEN=1` to write them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use tasker_shared::domain::{parse_template, Template};

use crate::registry;
use crate::testing::Step;

mod bench_files;

fn tasks_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tasks")
}

/// Paths below `config/tasks`, sorted.
fn template_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![tasks_dir()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path.strip_prefix(tasks_dir()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

fn template(file: &Path) -> Template {
    let yaml = fs::read_to_string(tasks_dir().join(file)).unwrap();
    let source = file.to_str().unwrap();
    let parsed =
        parse_template(&yaml, source, "development").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.warnings, [], "{source}");
    parsed.template
}

fn named(namespace: &str, name: &str) -> Template {
    template(&Path::new(namespace).join(name).join("1.0.0.yaml"))
}

#[test]
fn every_template_parses_and_lies_where_it_is_looked_for() {
    let files = template_files();
    assert!(files.len() >= 12, "{files:?}");
    for file in files {
        let template = template(&file);
        let Template {
            namespace,
            name,
            version,
            ..
        } = &template;
        assert_eq!(
            file,
            Path::new(&format!("{namespace}/{name}/{version}.yaml"))
        );
        template.graph().unwrap();
    }
}

#[test]
fn every_handler_class_is_registered() {
    let registry = registry();
    for file in template_files() {
        for step in template(&file).steps {
            let class = &step.handler_class;
            assert!(
                registry.get(class).is_some(),
                "{}: {} needs {class}",
                file.display(),
                step.name
            );
        }
    }
}

#[test]
fn contexts_are_held_to_their_schema() {
    let order = json!({
        "order_id": "A-1001",
        "customer": {"name": "Ada Lovelace", "email": "ada@example.org"},
        "shipping_address": {"street": "12 Main St", "postal_code": "10001", "city": "New York", "country": "US"},
        "items": [{"sku": "KB-104", "quantity": 2, "unit_price": "49.90"}],
        "payment": {"method": "card", "token": "tok_visa"},
        "total": "119.76"
    });
    let orders = named("ecommerce", "order_fulfilment");
    orders.check_context(&order).unwrap();
    let mut wrong = order.clone();
    wrong["items"][0]["unit_price"] = json!(49.9);
    assert!(orders.check_context(&wrong).is_err());
    let mut wrong = order;
    wrong["coupon"] = json!("FREE");
    assert!(orders.check_context(&wrong).is_err());

    let reports = named("analytics", "flight_weather_report");
    reports
        .check_context(&json!({"output_dir": "reports"}))
        .unwrap();
    reports
        .check_context(&json!({"output_dir": "reports", "title": "2013"}))
        .unwrap();
    assert!(reports.check_context(&json!({"title": "2013"})).is_err());

    let numbers = named("examples", "01_linear");
    numbers.check_context(&json!({"even_number": 6})).unwrap();
    assert!(numbers.check_context(&json!({"even_number": "6"})).is_err());
}

/// Runs all steps in the order of the file (parents come first in ours).
async fn run(template: &Template, context: &Value) -> BTreeMap<String, Value> {
    let mut results = BTreeMap::<String, Value>::new();
    for definition in &template.steps {
        let mut step = Step::new(definition.name.as_str()).context(context.clone());
        if let Some(config) = &definition.handler_config {
            step = step.config(config.clone());
        }
        for parent in &definition.depends_on {
            step = step.parent(parent.as_str(), results[parent.as_str()].clone());
        }
        // Far beyond the faults the templates simulate.
        let outcome = step
            .attempt(100)
            .run(&definition.handler_class)
            .await
            .unwrap();
        results.insert(definition.name.to_string(), outcome);
    }
    results
}

#[tokio::test]
async fn the_examples_end_in_the_values_their_comments_name() {
    let ends = [
        ("01_linear", "square_4", 2_821_109_907_456_i64),
        ("02_diamond", "join", 51_840),
        ("03_tree", "gather", 2_896),
        ("04_mixed_dag", "finish", 585),
    ];
    for (name, last, value) in ends {
        let file = tasks_dir().join(format!("examples/{name}/1.0.0.yaml"));
        assert!(
            fs::read_to_string(file)
                .unwrap()
                .contains(&value.to_string()),
            "{name}"
        );
        let results = run(&named("examples", name), &json!({"even_number": 6})).await;
        assert_eq!(results[last]["value"], value, "{name}");
    }
}

#[tokio::test]
async fn the_pipeline_of_the_template_runs_to_its_end() {
    let place = tempfile::tempdir().unwrap();
    let context = json!({"output_dir": place.path()});
    let results = run(&named("analytics", "flight_weather_report"), &context).await;
    assert_eq!(results["verify_report"], results["render_report"]);
    assert_eq!(results["merge_partitions"]["partitions"], 6);
}

#[tokio::test]
async fn the_order_of_the_template_runs_to_its_end() {
    let context = json!({
        "order_id": "A-1002",
        "customer": {"name": "Grace Hopper", "email": "grace@example.org"},
        "shipping_address": {"street": "1 Quai", "postal_code": "75001", "city": "Paris", "country": "FR"},
        "items": [{"sku": "MN-270", "quantity": 8, "unit_price": "219.00"}],
        "payment": {"method": "bank_transfer", "token": "tok_sepa"},
        "total": "2102.40"
    });
    let results = run(&named("ecommerce", "order_fulfilment"), &context).await;
    assert_eq!(results["ship_order"]["carrier"], "Air Freight");
    assert_eq!(
        results["ship_order"]["parcels"].as_array().unwrap().len(),
        3
    );
    assert_eq!(results["charge_payment"]["amount"], "2102.40");
    let body = results["notify_customer"]["body"].as_str().unwrap();
    assert!(body.contains("8 x 27-inch monitor"), "{body}");
}
