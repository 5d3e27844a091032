//! Templates: the versioned definition of a workflow, and how it is read.
//!
//! The native format is the Rails engine's YAML, with a time limit and a retry
//! policy per step added. Reading goes through four stages, one file each:
//! text to a located tree (`yaml`), the environment's block merged over it
//! (`environment`), fields and ranges (`build`, `step`), the graph.
//!
//! Two rules hold throughout: an accepted field is an enforced field, and an
//! unknown field is an error. Fields that Rails accepts without effect are
//! accepted here with a warning. Every problem names file, line and step.

mod build;
mod context;
mod environment;
mod fields;
mod problem;
mod scalar;
mod step;
mod suggest;
mod yaml;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use context::{ContextProblem, ContextValidator};
pub use problem::{Problem, TemplateError};

use super::graph::{Graph, GraphError};
use super::name::{Namespace, StepName, TemplateName, Version};
use super::retry::RetryPolicy;
use problem::Problems;
use yaml::Kind;

/// A workflow definition. Its serialized form is what the database stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub namespace: Namespace,
    pub name: TemplateName,
    pub version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The class the Rails engine runs the task with; kept for it, unused here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_handler_class: Option<String>,
    /// JSON Schema of the task context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// In the order of the file.
    pub steps: Vec<StepTemplate>,
}

/// One step of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTemplate {
    pub name: StepName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub dependent_system: String,
    pub handler_class: String,
    /// A map, handed to the handler as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler_config: Option<Value>,
    /// Parents, each once.
    #[serde(default)]
    pub depends_on: Vec<StepName>,
    pub retryable: bool,
    /// Executions in all, 1 to 100.
    pub retry_limit: i32,
    pub skippable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub retry: RetryPolicy,
}

/// Bounds on a template file.
///
/// The default suits text from the network. Ten thousand steps need about
/// 600 KiB of YAML, so whoever reads trusted files may allow more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateLimits {
    pub max_bytes: usize,
    pub max_steps: usize,
}

impl Default for TemplateLimits {
    fn default() -> Self {
        Self {
            max_bytes: 256 * 1024,
            max_steps: 20_000,
        }
    }
}

/// An accepted template with what its author should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub template: Template,
    pub warnings: Vec<Problem>,
}

/// Reads a template as `environment` sees it; `source` names the text in messages.
///
/// The blocks of other environments are validated as well.
pub fn parse_template(
    yaml: &str,
    source: &str,
    environment: &str,
) -> Result<Parsed, TemplateError> {
    parse_template_within(yaml, source, environment, &TemplateLimits::default())
}

/// As [`parse_template`], with other bounds.
pub fn parse_template_within(
    yaml: &str,
    source: &str,
    environment: &str,
    limits: &TemplateLimits,
) -> Result<Parsed, TemplateError> {
    let mut problems = Problems::new(source);
    let template = read(yaml, environment, limits, &mut problems);
    let (template, warnings) = problems.conclude(template)?;
    Ok(Parsed { template, warnings })
}

fn read(
    text: &str,
    environment: &str,
    limits: &TemplateLimits,
    problems: &mut Problems,
) -> Option<Template> {
    if text.len() > limits.max_bytes {
        let message = format!(
            "{} bytes, more than the {} allowed",
            text.len(),
            limits.max_bytes
        );
        problems.add(None, None, "yaml_too_large", message);
        return None;
    }
    let root = yaml::parse(text, problems)?;
    let Kind::Map(fields) = root.kind else {
        let message = format!("a template is a map of fields, not {}", root.describe());
        problems.add(Some(root.line), None, "wrong_type", message);
        return None;
    };
    let mut views = environment::views(fields, environment, problems).into_iter();
    let template = build::build(&views.next()?.fields, limits, problems);
    for view in views {
        problems.look_at_environment(&view.environment.unwrap_or_default());
        build::build(&view.fields, limits, problems);
    }
    template
}

impl Template {
    /// SHA-256, in hex, of the canonical JSON: keys sorted, so that it survives
    /// a trip through `jsonb`, which reorders them.
    pub fn digest(&self) -> String {
        let json = serde_json::to_value(self).map(sorted).unwrap_or_default();
        format!("{:x}", Sha256::digest(json.to_string()))
    }

    /// Compiles the dependency graph; step `i` of the graph is `steps[i]`.
    pub fn graph(&self) -> Result<Graph, GraphError> {
        let steps: Vec<(&str, &[StepName])> = self
            .steps
            .iter()
            .map(|step| (step.name.as_str(), step.depends_on.as_slice()))
            .collect();
        Graph::build(&steps)
    }

    /// Validates a task context. Compiles the schema each time: whoever checks
    /// many contexts keeps a [`ContextValidator`].
    pub fn check_context(&self, context: &Value) -> Result<(), Vec<ContextProblem>> {
        ContextValidator::new(self)
            .map_err(|problem| vec![problem])?
            .check(context)
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
