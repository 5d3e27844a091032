//! One entry of `step_templates`: its fields, ranges and defaults.

use std::collections::HashSet;

use super::fields::{Fields, Known};
use super::problem::Problems;
use super::yaml::{Kind, Node};
use super::StepTemplate;
use crate::domain::name::StepName;
use crate::domain::retry::{Backoff, RetryPolicy, MAX_RETRY_DELAY_MS};

/// Longest time limit of a step: one day.
const MAX_TIMEOUT_SECONDS: f64 = 86_400.0;

const STEP: Known = Known {
    of: "step",
    fields: &[
        "name",
        "handler_class",
        "description",
        "dependent_system",
        "depends_on_step",
        "depends_on_steps",
        "default_retryable",
        "default_retry_limit",
        "skippable",
        "handler_config",
        "timeout_seconds",
        "retry",
    ],
    inert: &[("custom_events", "the Rails engine drops it as well")],
    hints: &[
        ("depends_on", "depends_on_step or depends_on_steps"),
        ("dependencies", "depends_on_steps"),
        ("retry_limit", "default_retry_limit"),
        ("max_attempts", "default_retry_limit"),
        ("retryable", "default_retryable"),
        ("retry_backoff", "retry"),
        ("backoff", "retry"),
        ("timeout", "timeout_seconds"),
        ("handler", "handler_class"),
        ("config", "handler_config"),
    ],
};

const RETRY: Known = Known {
    of: "retry",
    fields: &["backoff", "base_ms", "max_ms", "jitter"],
    inert: &[],
    hints: &[
        ("strategy", "backoff"),
        ("limit", "default_retry_limit, a field of the step"),
        ("delay", "base_ms"),
    ],
};

/// What the graph needs of a step, known even when the step has other problems.
pub(super) struct Outline<'a> {
    pub(super) name: &'a str,
    pub(super) line: usize,
    /// Names of the parents, each once.
    pub(super) parents: Vec<&'a str>,
    /// Line of each parent's mention.
    pub(super) parent_lines: Vec<usize>,
}

/// Reads one step. Without an [`Outline`] it has no usable name.
pub(super) fn build<'a>(
    node: &'a Node,
    index: usize,
    default_system: &str,
    problems: &mut Problems,
) -> (Option<Outline<'a>>, Option<StepTemplate>) {
    let number = || format!("#{}", index + 1);
    let Kind::Map(map) = &node.kind else {
        let message = format!("a step must be a map of fields, not {}", node.describe());
        problems.add(Some(node.line), Some(&number()), "wrong_type", message);
        return (None, None);
    };
    let text = match map.get("name").map(|field| &field.value.kind) {
        Some(Kind::Text(text)) => text.as_str(),
        _ => "",
    };
    let name = StepName::parse(text).ok();
    let nameless = name.is_none().then(number);
    let label = nameless.as_deref().unwrap_or(text);
    let mut fields = Fields {
        map,
        line: node.line,
        step: Some(label),
        problems,
    };
    fields.check_known(&STEP);
    if name.is_none() {
        // It says what is wrong with it.
        fields.name("name", StepName::parse);
        fields.require("name");
    }
    let (mentions, depends_on) = parents(&mut fields);
    let outline = name.is_some().then(|| Outline {
        name: text,
        line: fields.line_of("name"),
        parents: mentions.iter().map(|(parent, _)| *parent).collect(),
        parent_lines: mentions.iter().map(|(_, line)| *line).collect(),
    });
    let step = assemble(&mut fields, name, depends_on, default_system);
    (outline, step)
}

fn assemble(
    fields: &mut Fields<'_, '_>,
    name: Option<StepName>,
    depends_on: Vec<StepName>,
    default_system: &str,
) -> Option<StepTemplate> {
    let handler_class = fields.label("handler_class", 255).map(str::to_owned);
    fields.require("handler_class");
    let dependent_system = fields
        .label("dependent_system", 64)
        .unwrap_or(default_system)
        .to_owned();
    let description = fields.prose("description", 255);
    let handler_config = fields.map("handler_config");
    let handler_config = handler_config
        .and_then(|_| fields.get("handler_config"))
        .map(Node::to_json);
    let retryable = fields.flag("default_retryable").unwrap_or(true);
    let retry_limit = fields.whole("default_retry_limit", 1, 100).unwrap_or(3);
    let skippable = fields.flag("skippable").unwrap_or(false);
    if skippable {
        let message =
            "skippable is stored but has no effect: no step is skipped by itself".to_owned();
        let line = Some(fields.line_of("skippable"));
        fields
            .problems
            .warn(line, fields.step, "field_without_effect", message);
    }
    let timeout_ms = timeout_ms(fields);
    let retry = retry(fields);
    Some(StepTemplate {
        name: name?,
        description,
        dependent_system,
        handler_class: handler_class?,
        handler_config,
        depends_on,
        retryable,
        retry_limit: retry_limit as i32,
        skippable,
        timeout_ms,
        retry,
    })
}

/// `depends_on_step` and `depends_on_steps` together, in order, each name once: as
/// they stand there, with their lines, and as names.
fn parents<'a>(fields: &mut Fields<'a, '_>) -> (Vec<(&'a str, usize)>, Vec<StepName>) {
    let mut given: Vec<(&str, usize)> = Vec::new();
    match fields.get("depends_on_step").map(|node| &node.kind) {
        Some(Kind::List(_)) => {
            let message =
                "depends_on_step names one step; use depends_on_steps for a list".to_owned();
            fields.problem("depends_on_step", "wrong_type", message);
        }
        _ => given.extend(
            fields
                .text("depends_on_step")
                .map(|name| (name, fields.line_of("depends_on_step"))),
        ),
    }
    match fields.get("depends_on_steps").map(|node| &node.kind) {
        Some(Kind::Text(_)) => {
            let message = "depends_on_steps is a list; use depends_on_step for one name".to_owned();
            fields.problem("depends_on_steps", "wrong_type", message);
        }
        _ => given.extend(fields.texts("depends_on_steps")),
    }
    let mut names = Vec::with_capacity(given.len());
    let mut seen = HashSet::new();
    let alone = given.len() == 1;
    given.retain(|(name, line)| match StepName::parse(name) {
        Ok(parent) => {
            let first = alone || seen.insert(*name);
            if first {
                names.push(parent);
            }
            first
        }
        Err(error) => {
            let message = format!("it depends on a name no step can have: {error}");
            fields
                .problems
                .add(Some(*line), fields.step, error.code(), message);
            false
        }
    });
    (given, names)
}

fn timeout_ms(fields: &mut Fields<'_, '_>) -> Option<u64> {
    let seconds = fields.number("timeout_seconds")?;
    if seconds > 0.0 && seconds <= MAX_TIMEOUT_SECONDS {
        return Some(((seconds * 1000.0).round() as u64).max(1));
    }
    let message =
        format!("timeout_seconds must be above 0 and at most {MAX_TIMEOUT_SECONDS}, not {seconds}");
    fields.problem("timeout_seconds", "out_of_range", message);
    None
}

fn retry(step: &mut Fields<'_, '_>) -> RetryPolicy {
    let default = RetryPolicy::default();
    let Some(map) = step.map("retry") else {
        return default;
    };
    let line = step.line_of("retry");
    let mut fields = Fields {
        map,
        line,
        step: step.step,
        problems: &mut *step.problems,
    };
    fields.check_known(&RETRY);
    let backoff = match fields.text("backoff") {
        None | Some("exponential") => Backoff::Exponential,
        Some("linear") => Backoff::Linear,
        Some("fixed") => Backoff::Fixed,
        Some(other) => {
            let found = super::yaml::shown(other);
            let message = format!("backoff must be exponential, linear or fixed, not {found}");
            fields.problem("backoff", "out_of_range", message);
            Backoff::Exponential
        }
    };
    let base_ms = fields
        .whole("base_ms", 0, MAX_RETRY_DELAY_MS)
        .unwrap_or(default.base_ms);
    let max_ms = fields
        .whole("max_ms", 0, MAX_RETRY_DELAY_MS)
        .unwrap_or(default.max_ms);
    if base_ms > max_ms {
        let written = |key: &str| {
            if map.contains_key(key) {
                ""
            } else {
                " (the default)"
            }
        };
        let message = format!(
            "base_ms {base_ms}{} exceeds max_ms {max_ms}{}; raise max_ms or lower base_ms",
            written("base_ms"),
            written("max_ms")
        );
        fields.problem("base_ms", "out_of_range", message);
    }
    let jitter = fields.flag("jitter").unwrap_or(default.jitter);
    RetryPolicy {
        backoff,
        base_ms,
        max_ms,
        jitter,
    }
}
