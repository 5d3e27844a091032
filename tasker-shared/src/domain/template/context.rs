//! The JSON Schema of a task context: checked at registration, enforced at
//! submission, as strictly as the Rails engine enforces it.
//!
//! Rails validates in strict mode: wherever a schema declares `properties`,
//! every declared property without a default is required, and undeclared ones
//! are refused unless that same object says `additionalProperties` itself (or
//! a `patternProperties` matches). Here the schema is rewritten to say so and
//! then validated by the book, at every object level. The one exception is
//! inside `not`, where refusing more would accept more. Defaults are not
//! written back: the stored context is what the client sent.
//!
//! Draft 4 unless `$schema` names a later one. A schema never reads a file or
//! the network: only references into itself (`#...`) are accepted.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde::Serialize;
use serde_json::Value;

use super::Template;
use crate::domain::json::pointer;

mod keywords;

/// Problems reported for one context.
const MAX_PROBLEMS: usize = 50;

/// Steps a pattern may take on one string before the string is refused: what
/// an honest pattern never needs and a hostile one exceeds at once.
const PATTERN_BACKTRACK_LIMIT: usize = 100_000;

/// One thing a task context violates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextProblem {
    /// JSON pointer into the context; empty for the context as a whole.
    pub pointer: String,
    /// Stable code: `context_` and the keyword of the schema.
    pub code: String,
    /// What is wrong. Never repeats the value, which may be a secret.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ContextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "context"
        } else {
            &self.pointer
        };
        write!(
            f,
            "{}: {}; {} [{}]",
            place.escape_debug(),
            self.message,
            self.remedy,
            self.code
        )
    }
}

/// The compiled schema of one template. Cheap to share, safe across threads.
#[derive(Debug)]
pub struct ContextValidator {
    validator: Option<Validator>,
}

impl ContextValidator {
    /// Compiles the template's schema, which registration has already checked.
    pub fn new(template: &Template) -> Result<Self, ContextProblem> {
        let compiled = template.schema.as_ref().map(compile).transpose();
        let validator = compiled.map_err(|error| ContextProblem {
            pointer: String::new(),
            code: "context_schema_invalid".to_owned(),
            message: format!("the template's schema is not usable: {}", error.masked()),
            remedy: "register the template again with a valid schema".to_owned(),
        })?;
        Ok(Self { validator })
    }

    /// Checks that `context` is an object and fits the schema.
    pub fn check(&self, context: &Value) -> Result<(), Vec<ContextProblem>> {
        if !context.is_object() {
            return Err(vec![ContextProblem {
                pointer: String::new(),
                code: "context_not_object".to_owned(),
                message: "the context is not a JSON object".to_owned(),
                remedy: "send an object, such as {\"order_id\": 1}".to_owned(),
            }]);
        }
        let Some(validator) = &self.validator else {
            return Ok(());
        };
        let problems: Vec<_> = validator
            .iter_errors(context)
            .flat_map(|error| explain(&error))
            .take(MAX_PROBLEMS)
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

fn compile(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    let mut strict = schema.clone();
    keywords::make_strict(&mut strict);
    let patterns = PatternOptions::fancy_regex().backtrack_limit(PATTERN_BACKTRACK_LIMIT);
    let options = jsonschema::options()
        .offline()
        .with_pattern_options(patterns);
    if schema.get("$schema").is_some() {
        options.build(&strict)
    } else {
        options.with_draft(Draft::Draft4).build(&strict)
    }
}

/// A problem of a schema itself.
pub(super) struct Finding {
    pub(super) pointer: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

#[derive(Default)]
pub(super) struct SchemaReport {
    pub(super) problems: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

/// Checks a schema at registration: keywords, references, and that it compiles.
pub(super) fn check_schema(schema: &Value) -> SchemaReport {
    let mut report = keywords::inspect(schema);
    if report.problems.is_empty() {
        if let Err(error) = compile(schema) {
            report.problems.push(Finding {
                pointer: error.instance_path().to_string(),
                code: "invalid_schema",
                message: format!("the schema is not valid: {error}"),
            });
        }
    }
    report
}

fn explain(error: &ValidationError<'_>) -> Vec<ContextProblem> {
    let at = error.instance_path().to_string();
    let below = |name: &str| format!("{at}{}", pointer(&[name]));
    let problem = |pointer: String, message: String, remedy: &str| ContextProblem {
        pointer,
        code: format!("context_{}", snake_case(error.kind().keyword())),
        message,
        remedy: remedy.to_owned(),
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![problem(
                below(name),
                "is required and missing".to_owned(),
                "add it",
            )]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                let remedy = "remove it, or declare it in the template's schema";
                problem(
                    below(name),
                    "is not declared by the schema".to_owned(),
                    remedy,
                )
            })
            .collect(),
        kind => {
            let remedy = remedy(kind);
            vec![problem(at.clone(), error.masked().to_string(), remedy)]
        }
    }
}

fn remedy(kind: &ValidationErrorKind) -> &'static str {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { .. } => "send a value of that type",
        Kind::Enum { .. } | Kind::Constant { .. } => "send one of the values the schema lists",
        Kind::Pattern { .. } | Kind::Format { .. } => "send text of that form",
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "simplify the pattern in the template's schema"
        }
        Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::ExclusiveMinimum { .. }
        | Kind::ExclusiveMaximum { .. } => "send a number within the limit",
        Kind::MinLength { .. } | Kind::MaxLength { .. } => "send text within the limit",
        Kind::MinItems { .. } | Kind::MaxItems { .. } | Kind::UniqueItems => {
            "send a list that fits"
        }
        _ => "send a value the schema accepts",
    }
}

fn snake_case(keyword: &str) -> String {
    let mut text = String::new();
    for letter in keyword.trim_start_matches('$').chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests;
