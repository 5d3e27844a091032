//! A merged file to a `Template`: top-level fields, then steps, then the graph.
//!
//! Reads on after a problem, so that all are reported; the caller discards the
//! template when there was any.

use std::collections::{HashMap, HashSet};

use super::context;
use super::fields::{Fields, Known};
use super::problem::Problems;
use super::step::{self, Outline};
use super::suggest::nearest;
use super::yaml::{Kind, Map, Node};
use super::{StepTemplate, Template, TemplateLimits};
use crate::domain::graph::{Graph, GraphError};
use crate::domain::name::{Namespace, TemplateName, Version};

/// The system of a step that names none, where the template names none either.
const UNKNOWN_SYSTEM: &str = "unknown";

const TEMPLATE: Known = Known {
    of: "template",
    fields: &[
        "name",
        "namespace_name",
        "version",
        "description",
        "task_handler_class",
        "default_dependent_system",
        "named_steps",
        "schema",
        "step_templates",
        "environments",
    ],
    inert: &[
        (
            "concurrent",
            "ready steps always run in parallel; the Rails engine ignores it as well",
        ),
        ("custom_events", "the Rails engine ignores it as well"),
        (
            "handler_config",
            "only steps have one; the Rails engine ignores it here as well",
        ),
        (
            "module_namespace",
            "handlers are found by the whole of handler_class",
        ),
    ],
    hints: &[
        ("namespace", "namespace_name"),
        ("steps", "step_templates"),
        ("task_name", "name"),
        ("context_schema", "schema"),
        ("handler_class", "task_handler_class"),
    ],
};

/// Builds the template of one view of a file; `None` after a problem.
pub(super) fn build(
    map: &Map,
    limits: &TemplateLimits,
    problems: &mut Problems,
) -> Option<Template> {
    let line = 1;
    let mut fields = Fields {
        map,
        line,
        step: None,
        problems,
    };
    fields.check_known(&TEMPLATE);
    let name = fields.name("name", TemplateName::parse);
    fields.require("name");
    let namespace = match fields.get("namespace_name") {
        Some(_) => fields.name("namespace_name", Namespace::parse),
        None => Some(Namespace::default_namespace()),
    };
    let version = version(&mut fields);
    let description = fields.prose("description", 255);
    let task_handler_class = fields.label("task_handler_class", 255).map(str::to_owned);
    let default_system = fields
        .label("default_dependent_system", 64)
        .unwrap_or(UNKNOWN_SYSTEM);
    let schema = schema(&mut fields);
    let steps = steps(&mut fields, default_system, limits);
    Some(Template {
        namespace: namespace?,
        name: name?,
        version: version?,
        description,
        task_handler_class,
        schema,
        steps: steps?,
    })
}

fn version(fields: &mut Fields<'_, '_>) -> Option<Version> {
    match fields.get("version").map(|node| &node.kind) {
        None => Some(Version::default_version()),
        // The commonest slip: an unquoted 1.0 is a number to YAML.
        Some(Kind::Number(number)) => {
            let message =
                format!("version {number} is a number to YAML; write three parts, such as 1.0.0");
            fields.problem("version", "invalid_version", message);
            None
        }
        Some(_) => fields.name("version", Version::parse),
    }
}

fn schema(fields: &mut Fields<'_, '_>) -> Option<serde_json::Value> {
    fields.map("schema")?;
    let node = fields.get("schema")?;
    let schema = node.to_json();
    let report = context::check_schema(&schema);
    for finding in report.problems {
        let line = Some(line_at(node, &finding.pointer));
        fields
            .problems
            .add(line, None, finding.code, finding.message);
    }
    for finding in report.warnings {
        let line = Some(line_at(node, &finding.pointer));
        fields
            .problems
            .warn(line, None, finding.code, finding.message);
    }
    Some(schema)
}

/// Line of the value a JSON pointer leads to, or of the last one on the way.
fn line_at(node: &Node, pointer: &str) -> usize {
    let mut at = node;
    let mut line = node.line;
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let next = match &at.kind {
            Kind::Map(map) => map.get(&segment).map(|field| (field.line, &field.value)),
            Kind::List(items) => {
                let item = segment.parse().ok().and_then(|i: usize| items.get(i));
                item.map(|item| (item.line, item))
            }
            _ => None,
        };
        let Some((found, value)) = next else {
            break;
        };
        (line, at) = (found, value);
    }
    line
}

fn steps(
    fields: &mut Fields<'_, '_>,
    default_system: &str,
    limits: &TemplateLimits,
) -> Option<Vec<StepTemplate>> {
    let Some(list) = fields.list("step_templates") else {
        fields.require("step_templates");
        return None;
    };
    let most = limits.max_steps;
    if list.is_empty() || list.len() > most {
        let message = format!("{} steps; 1 to {most} are allowed", list.len());
        fields.problem("step_templates", "bad_step_count", message);
        return None;
    }
    let mut outlines = Vec::with_capacity(list.len());
    let mut steps = Vec::with_capacity(list.len());
    for (index, node) in list.iter().enumerate() {
        let (outline, step) = step::build(node, index, default_system, fields.problems);
        outlines.extend(outline);
        steps.extend(step);
    }
    let all_named = outlines.len() == list.len();
    check_graph(&outlines, all_named, fields);
    check_named_steps(&outlines, fields);
    (steps.len() == list.len()).then_some(steps)
}

fn check_graph(outlines: &[Outline<'_>], all_named: bool, fields: &mut Fields<'_, '_>) {
    let mut by_name: HashMap<&str, &Outline<'_>> = HashMap::with_capacity(outlines.len());
    for outline in outlines {
        by_name.entry(outline.name).or_insert(outline);
    }
    let named: Vec<(&str, &[&str])> = outlines
        .iter()
        .map(|o| (o.name, o.parents.as_slice()))
        .collect();
    for error in Graph::check(&named) {
        // A step whose own name was refused would show up here a second time.
        if matches!(error, GraphError::UnknownDependency { .. }) && !all_named {
            continue;
        }
        let outline = error.step().and_then(|step| by_name.get(step));
        let (line, message) = match (&error, outline) {
            (GraphError::UnknownDependency { dependency, .. }, _) => {
                let mention = outlines
                    .iter()
                    .filter(|o| Some(o.name) == error.step())
                    .find_map(|o| {
                        Some(o.parent_lines[o.parents.iter().position(|p| p == dependency)?])
                    });
                (
                    mention,
                    unknown_dependency(&error, dependency, outlines, fields.problems),
                )
            }
            (GraphError::DuplicateStep { step }, Some(first)) => {
                let last = outlines.iter().rfind(|o| o.name == *step).unwrap_or(first);
                (
                    Some(last.line),
                    format!("{error} (the first one is on line {})", first.line),
                )
            }
            (_, outline) => (outline.map(|o| o.line), error.to_string()),
        };
        fields
            .problems
            .add(line, error.step(), error.code(), message);
    }
}

fn unknown_dependency(
    error: &GraphError,
    dependency: &str,
    outlines: &[Outline<'_>],
    problems: &Problems,
) -> String {
    let names = || outlines.iter().map(|outline| outline.name);
    match problems
        .few()
        .then(|| nearest(dependency, names()))
        .flatten()
    {
        Some(near) => format!("{error}; did you mean \"{near}\"?"),
        None => error.to_string(),
    }
}

/// With `named_steps`, every step and every dependency must be listed there.
fn check_named_steps(outlines: &[Outline<'_>], fields: &mut Fields<'_, '_>) {
    if fields.get("named_steps").is_none() {
        return;
    }
    let listed: HashSet<&str> = fields
        .texts("named_steps")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for outline in outlines {
        let own = std::iter::once((outline.name, outline.line));
        let parents = outline
            .parents
            .iter()
            .copied()
            .zip(outline.parent_lines.iter().copied());
        for (name, line) in own.chain(parents) {
            if !listed.contains(name) {
                let message = format!(
                    "\"{name}\" is not listed in named_steps; add it there, or remove named_steps"
                );
                fields.problems.add(
                    Some(line),
                    Some(outline.name),
                    "not_in_named_steps",
                    message,
                );
            }
        }
    }
}
