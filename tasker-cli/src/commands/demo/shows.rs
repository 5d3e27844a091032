//! The two workflows of the demo: what is submitted, and what to say of the results.

use std::time::Duration;

use serde_json::{json, Value};
use tasker_client::{Client, Include};
use tasker_shared::wire::{StepView, TaskRequest};

use crate::commands::explain;
use crate::commands::watch::{exit_of, follow, Watch};
use crate::failure::{Exit, Failure};
use crate::output::Output;

const WITHIN: Duration = Duration::from_secs(120);

/// A workflow to show.
pub(super) struct Show {
    pub(super) title: &'static str,
    request: TaskRequest,
    results: fn(&[StepView]) -> Vec<(&'static str, String)>,
}

/// Order fulfilment; the payment gateway loses its first answer on purpose.
pub(super) fn order() -> Show {
    let context = json!({
        "order_id": "A-1001",
        "customer": {"name": "Ada Lovelace", "email": "ada@example.org"},
        "shipping_address": {
            "street": "12 Main St", "postal_code": "10001", "city": "New York", "country": "US"
        },
        "items": [
            {"sku": "KB-104", "quantity": 2, "unit_price": "49.90"},
            {"sku": "MS-220", "quantity": 1, "unit_price": "25.50"}
        ],
        "payment": {"method": "card", "token": "tok_visa"},
        "total": "150.36"
    });
    Show {
        title: "Order fulfilment: reserve and charge in parallel, a payment that is tried twice",
        request: request("order_fulfilment", "ecommerce", context),
        results: order_results,
    }
}

/// A data pipeline over a public data set; its report stays below this directory.
pub(super) fn pipeline() -> Result<Show, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::internal(format!("the current directory is unknown: {error}")))?;
    let directory = here.join(".tasker/demo").display().to_string();
    let title = "Weather and departure delays in New York, 2013";
    let context = json!({ "output_dir": directory, "title": title });
    Ok(Show {
        title: "Data pipeline: 26,115 records, six partitions in parallel, a join, a report",
        request: request("flight_weather_report", "analytics", context),
        results: pipeline_results,
    })
}

fn request(name: &str, namespace: &str, context: Value) -> TaskRequest {
    TaskRequest {
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        version: Some("1.0.0".to_owned()),
        context,
        initiator: Some("tasker demo".to_owned()),
        ..TaskRequest::default()
    }
}

impl Show {
    /// Submits, draws, prints the results; or, of a task that did not complete, why.
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Result<(), Failure> {
        let id = client.submit(&self.request).await?.task.task_id;
        let interval = Duration::from_millis(100);
        let watch = Watch {
            interval,
            timeout: Some(WITHIN),
            json: false,
            quiet: false,
        };
        let followed = follow(client, out, id, watch).await;
        if !matches!(&followed, Ok(graph) if exit_of(graph.state) == Exit::Ok) {
            let explanation = client.explain(id).await?;
            out.text(&format!("\n{}", explain::text(&explanation, out.style)))?;
            let message = format!(
                "{} did not complete; the reasons are above",
                self.request.name
            );
            return followed.and(Err(Failure::new(Exit::CheckFailed, message)));
        }
        let task = client
            .task(
                id,
                Include {
                    steps: true,
                    transitions: false,
                },
            )
            .await?;
        out.line("")?;
        for (name, what) in (self.results)(task.steps.as_deref().unwrap_or_default()) {
            super::said(out, name, &what)?;
        }
        Ok(())
    }
}

fn order_results(steps: &[StepView]) -> Vec<(&'static str, String)> {
    let (order, ship) = (
        results(steps, "validate_order"),
        results(steps, "ship_order"),
    );
    let charge = steps.iter().find(|step| step.name == "charge_payment");
    let attempts = charge.map_or(0, |step| step.attempts);
    vec![
        ("order", text(order, "/order_id")),
        (
            "total",
            format!("{} {}", text(order, "/total"), text(order, "/currency")),
        ),
        (
            "paid",
            format!(
                "{} in attempt {attempts}",
                text(results(steps, "charge_payment"), "/charge_id")
            ),
        ),
        ("carrier", text(ship, "/carrier")),
        ("tracking", text(ship, "/parcels/0/tracking_number")),
    ]
}

fn pipeline_results(steps: &[StepView]) -> Vec<(&'static str, String)> {
    let report = results(steps, "render_report");
    let summary = results(steps, "merge_partitions")
        .get("summary")
        .unwrap_or(&Value::Null);
    let sum = |field: &str| -> i64 {
        let classes = summary.get("precipitation").and_then(Value::as_object);
        classes
            .into_iter()
            .flatten()
            .filter_map(|(_, class)| class.get(field)?.as_i64())
            .sum()
    };
    let (scheduled, cancelled) = (sum("scheduled"), sum("cancelled"));
    let left = (scheduled - cancelled).max(1) as f64;
    vec![
        (
            "records",
            grouped(summary.get("rows").and_then(Value::as_i64).unwrap_or(0)),
        ),
        (
            "departures",
            format!("{}, {} cancelled", grouped(scheduled), grouped(cancelled)),
        ),
        (
            "late",
            format!(
                "{:.1} % of those that left",
                100.0 * sum("late") as f64 / left
            ),
        ),
        (
            "mean delay",
            format!("{:.1} minutes", sum("delay_min") as f64 / left),
        ),
        (
            "report",
            format!(
                "{} ({} bytes)",
                text(report, "/path"),
                text(report, "/bytes")
            ),
        ),
    ]
}

fn results<'a>(steps: &'a [StepView], name: &str) -> &'a Value {
    steps
        .iter()
        .find(|step| step.name == name)
        .map_or(&Value::Null, |step| &step.results)
}

fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "(unknown)".to_owned(),
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 {
        "-".to_owned()
    } else {
        String::new()
    };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-26_115, "-26,115"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
