//! Instructions of what is done with a template and with an outcome, counted by
//! callgrind: the same in every run, on a busy machine as on an idle one.
//!
//! `callgrind` by itself runs `callgrind PART SHAPE STEPS` under valgrind for every
//! case, collecting inside of `measured` only, and prints a table. It fails if a cost
//! grows faster than steps and edges.

#[allow(
    dead_code,
    reason = "the benchmark's shapes, of which a few are enough here"
)]
#[path = "../src/shape.rs"]
mod shape;

use std::env;
use std::hint::black_box;
use std::process::Command;

use anyhow::{bail, Context as _, Result};
use serde_json::json;
use shape::Shape;
use tasker_shared::domain::{
    decide, parse_template_within, AttemptLimits, Outcome, RetryPolicy, Template, TemplateLimits,
};
use tasker_shared::store::{Attempt, Report};

/// What is counted.
const PARTS: [(&str, &str); 5] = [
    ("parse", "YAML to a checked template"),
    ("load", "stored JSON to a template"),
    ("compile", "template to graph"),
    ("walk", "level of every step"),
    (JUDGE, "reports to changes"),
];
/// The results of that many steps, from the text of their message to what is to be
/// done. The shape is nothing to it: which steps become ready the database finds alone.
const JUDGE: &str = "judge";
const SHAPES: [&str; 4] = ["linear", "fan", "layered", "diamonds"];
const SIZES: [usize; 3] = [100, 1_000, 10_000];

/// How much more a step and edge of the largest size may cost than one of the smallest.
const GROWTH_MAX: f64 = 1.5;

const LIMITS: TemplateLimits = TemplateLimits {
    max_bytes: 4 << 20,
    max_steps: 20_000,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => count_all(),
        [part, shape, steps] => run(part, shape, steps.parse()?),
        _ => bail!("usage: callgrind [PART SHAPE STEPS]"),
    }
}

/// About `steps` steps.
fn shape(name: &str, steps: usize) -> Result<Shape> {
    Ok(match name {
        "linear" => Shape::linear(steps),
        "fan" => Shape::fan(steps - 2),
        "layered" => Shape::layered(steps.isqrt(), steps / steps.isqrt(), 3),
        "diamonds" => Shape::diamonds((steps - 1) / 3),
        other => bail!("there is no shape {other}"),
    })
}

fn template(shape: &Shape) -> Result<Template> {
    Ok(parse_template_within(&shape.yaml(), "generated", "production", &LIMITS)?.template)
}

fn collect<T>(work: impl FnOnce() -> T) -> T {
    // What was freed before is put in order by the next large allocation: this one.
    drop(black_box(Vec::<u8>::with_capacity(1 << 16)));
    measured(work)
}

/// Callgrind counts what happens in here.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn run(part: &str, name: &str, steps: usize) -> Result<()> {
    let shape = shape(name, steps)?;
    let template = template(&shape)?;
    match part {
        "parse" => {
            let yaml = shape.yaml();
            collect(|| parse_template_within(&yaml, "generated", "production", &LIMITS))?;
        }
        "load" => {
            let stored = serde_json::to_value(&template)?;
            collect(|| serde_json::from_value::<Template>(stored))?;
        }
        "compile" => {
            collect(|| template.graph())?;
        }
        "walk" => {
            let graph = template.graph()?;
            collect(|| graph.levels());
        }
        JUDGE => {
            let message = message(template.steps.len())?;
            collect(|| judge(&message))?;
        }
        other => bail!("there is no part {other}"),
    }
    Ok(())
}

/// A message of the results queue: one successful report for each step.
fn message(steps: usize) -> Result<String> {
    let report = |step: usize| Report {
        attempt: Attempt {
            step_id: step as i64,
            task_id: 1,
            attempt: 1,
            message_id: step as i64,
            lease_token: 1,
            definition_id: 1,
            named_step_id: step as i32,
            retry_limit: 3,
            retryable: true,
        },
        outcome: Outcome::Success {
            results: json!({"value": step}),
        },
        stored: false,
    };
    Ok(serde_json::to_string(
        &(0..steps).map(report).collect::<Vec<_>>(),
    )?)
}

/// What happens to reports outside of the database.
fn judge(message: &str) -> Result<usize> {
    let reports: Vec<Report> = serde_json::from_str(message)?;
    let policy = RetryPolicy::default();
    let mut chance = rand::rng();
    let changes = reports.into_iter().map(|report| {
        let limits = AttemptLimits {
            attempt: report.attempt.attempt.unsigned_abs(),
            retry_limit: report.attempt.retry_limit.unsigned_abs(),
            retryable: report.attempt.retryable,
            max_requested_delay_ms: 86_400_000,
            offered: 0,
        };
        decide(report.outcome, limits, &policy, &mut chance)
    });
    Ok(changes.map(black_box).count())
}

/// Runs every case under valgrind and prints what it counted.
fn count_all() -> Result<()> {
    println!("| what | shape | steps | edges | instructions | per step | per step and edge |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    let mut grown = Vec::new();
    for (part, told) in PARTS {
        let shapes = if part == JUDGE { &SHAPES[..1] } else { &SHAPES };
        for name in shapes {
            let mut smallest = None;
            for size in SIZES {
                let each = count_one(part, told, name, size)?;
                let least = *smallest.get_or_insert(each);
                if each > least * GROWTH_MAX {
                    grown.push(format!(
                        "{told}, {name}, {size}: {each:.0} after {least:.0}"
                    ));
                }
            }
        }
    }
    if !grown.is_empty() {
        bail!("more for each step and edge:\n{}", grown.join("\n"));
    }
    Ok(())
}

/// Prints one row; the instructions for each step and edge.
fn count_one(part: &str, told: &str, name: &str, size: usize) -> Result<f64> {
    let template = template(&shape(name, size)?)?;
    let steps = template.steps.len();
    let edges = match part {
        JUDGE => 0,
        _ => template.graph()?.edge_count(),
    };
    let instructions = count(part, name, size)?;
    let each = instructions as f64 / (steps + edges) as f64;
    println!(
        "| {told} | {name} | {} | {} | {} | {} | {each:.0} |",
        grouped(steps as u64),
        grouped(edges as u64),
        grouped(instructions),
        grouped(instructions / steps as u64),
    );
    Ok(each)
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Instructions of one case.
fn count(part: &str, shape: &str, steps: usize) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*measured*"])
        .arg(env::current_exe()?)
        .args([part, shape, &steps.to_string()])
        .output()
        .context("cannot run valgrind; install the package valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("callgrind failed:\n{said}");
    }
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1));
    let collected = collected.with_context(|| format!("no count in:\n{said}"))?;
    Ok(collected.trim().parse()?)
}
