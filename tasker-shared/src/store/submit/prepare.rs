//! Checks a request and makes of it a task that can be written.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;

use super::identity::{of_key, of_request, IdentityFields};
use super::NewTask;
use crate::config::Engine;
use crate::domain::{check_json, JsonLimits, NameError, Namespace, TemplateName, Version};
use crate::store::{templates, Definition, Store, StoreError};
use crate::wire::{FieldProblem, TaskRequest, TemplateSummary};

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Fields of the request are not acceptable.
    #[error("the request has {} unacceptable field(s)", .0.len())]
    Fields(Vec<FieldProblem>),
    /// No template of that name and version is registered.
    #[error("no template {namespace}/{name} {} is registered", version.as_deref().unwrap_or("(any version)"))]
    UnknownTemplate {
        namespace: String,
        name: String,
        version: Option<String>,
        /// Versions of that name that are registered.
        known_versions: Vec<String>,
        /// Templates of this name in other namespaces, as (namespace, name).
        meant: Vec<(String, String)>,
    },
    /// The context does not match the template's schema.
    #[error("the context does not match the schema of the template")]
    Context(Vec<FieldProblem>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SubmitError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fields(_) => "TSK-1001",
            Self::UnknownTemplate { .. } => "TSK-1002",
            Self::Context(_) => "TSK-1003",
            Self::Store(error) => error.code(),
        }
    }

    /// The fields at fault; none if it was not the request's.
    pub fn fields(&self) -> Vec<FieldProblem> {
        match self {
            Self::Fields(fields) | Self::Context(fields) => fields.clone(),
            Self::UnknownTemplate {
                known_versions,
                version,
                meant,
                ..
            } => {
                let (field, problem) = match (version, known_versions.is_empty(), meant.first()) {
                    (Some(_), false, _) => (
                        "/version",
                        format!(
                            "is not registered; registered are {}",
                            known_versions.join(", ")
                        ),
                    ),
                    (_, _, Some((namespace, name))) => (
                        "/namespace",
                        format!("is perhaps {namespace}, which has a template {name}"),
                    ),
                    _ => ("/name", "is not registered in this namespace".to_owned()),
                };
                vec![FieldProblem {
                    field: field.to_owned(),
                    problem,
                    remedy: None,
                }]
            }
            Self::Store(_) => Vec::new(),
        }
    }
}

/// Lengths of the Rails columns, in characters.
const TEXT_MAX: usize = 128;
const TAGS_MAX: usize = 32;
const TAG_MAX: usize = 64;
const BYPASSED_MAX: usize = 1000;
const KEY_MAX: usize = 255;
/// Shifted by 48 bits into the message id, this leaves room for 2^47 messages.
const PRIORITY_MAX: i32 = 100;

/// Checks `request` against its template and fills in the defaults.
///
/// `traceparent` is the W3C trace context of the caller, already validated.
///
/// # Errors
/// Everything that is wrong with the request, at once where possible.
pub async fn prepare(
    store: &Store,
    request: TaskRequest,
    traceparent: Option<String>,
) -> Result<NewTask, SubmitError> {
    let mut problems = Problems::default();
    let namespace = match &request.namespace {
        None => Some(Namespace::default_namespace()),
        Some(text) => problems.name("/namespace", Namespace::parse(text)),
    };
    let name = problems.name("/name", TemplateName::parse(&request.name));
    let version = request
        .version
        .as_ref()
        .and_then(|text| problems.name("/version", Version::parse(text)));
    problems.check_context(&request.context, store);
    let initiator = problems.text("/initiator", request.initiator.as_deref());
    let source_system = problems.text("/source_system", request.source_system.as_deref());
    let reason = problems.text("/reason", request.reason.as_deref());
    let correlation_id = match request.correlation_id.as_deref() {
        None => uuid::Uuid::new_v4().to_string(),
        given => problems.text("/correlation_id", given),
    };
    let tags = problems.list("/tags", "tags", request.tags, TAGS_MAX, TAG_MAX);
    let bypass_steps = problems.list(
        "/bypass_steps",
        "names",
        request.bypass_steps,
        BYPASSED_MAX,
        TEXT_MAX,
    );
    let requested_at = problems.moment("/requested_at", request.requested_at);
    let priority = problems.priority(request.priority.unwrap_or(0));
    problems.key(request.idempotency_key.as_deref());
    let (Some(namespace), Some(name), true) = (namespace, name, problems.0.is_empty()) else {
        return Err(SubmitError::Fields(problems.0));
    };

    let found = match templates::find(store, &namespace, &name, version.as_ref()).await? {
        None if request.namespace.is_none() => {
            find_qualified(store, &name, version.as_ref()).await?
        }
        found => found,
    };
    let Some(definition) = found else {
        return Err(unknown_template(store, &namespace, &name, version).await?);
    };
    check_schema(&definition, &request.context)?;

    let template = &definition.template;
    let identity_hash = match &request.idempotency_key {
        Some(key) => of_key(&template.namespace, &template.name, key),
        None => of_request(
            store.engine().identity_strategy,
            &IdentityFields {
                name: template.name.as_str(),
                initiator: &initiator,
                source_system: &source_system,
                context: &request.context,
                reason: &reason,
                bypass_steps: &bypass_steps,
                requested_at,
            },
        ),
    };
    Ok(NewTask {
        definition,
        context: request.context,
        initiator,
        source_system,
        reason,
        tags,
        bypass_steps,
        priority,
        idempotency_key: request.idempotency_key,
        correlation_id,
        traceparent,
        identity_hash,
        requested_at,
    })
}

fn check_schema(definition: &Definition, context: &Value) -> Result<(), SubmitError> {
    definition.validator.check(context).map_err(|problems| {
        let fields = problems.into_iter().map(|p| FieldProblem {
            field: format!("/context{}", p.pointer),
            problem: p.message,
            remedy: Some(p.remedy),
        });
        SubmitError::Context(fields.collect())
    })
}

/// Reads `namespace/name` as people write it, where no namespace is given and no
/// template of the default one has the whole as its name.
async fn find_qualified(
    store: &Store,
    name: &TemplateName,
    version: Option<&Version>,
) -> Result<Option<Arc<Definition>>, StoreError> {
    let Some((namespace, name)) = name.as_str().split_once('/') else {
        return Ok(None);
    };
    let (Ok(namespace), Ok(name)) = (Namespace::parse(namespace), TemplateName::parse(name)) else {
        return Ok(None);
    };
    templates::find(store, &namespace, &name, version).await
}

async fn unknown_template(
    store: &Store,
    namespace: &Namespace,
    name: &TemplateName,
    version: Option<Version>,
) -> Result<SubmitError, StoreError> {
    let registered = templates::list(store).await?;
    let known_versions = registered
        .iter()
        .filter(|t| t.namespace == namespace.as_str() && t.name == name.as_str())
        .map(|t| t.version.clone())
        .collect();
    let is_meant =
        |t: &&TemplateSummary| t.name == name.as_str() && t.namespace != namespace.as_str();
    let mut meant: Vec<_> = registered
        .iter()
        .filter(is_meant)
        .map(|t| (t.namespace.clone(), t.name.clone()))
        .collect();
    meant.dedup();
    Ok(SubmitError::UnknownTemplate {
        namespace: namespace.to_string(),
        name: name.to_string(),
        version: version.map(|v| v.to_string()),
        known_versions,
        meant,
    })
}

#[derive(Default)]
struct Problems(Vec<FieldProblem>);

impl Problems {
    fn add(&mut self, field: &str, problem: impl Into<String>, remedy: &str) {
        self.0.push(FieldProblem {
            field: field.to_owned(),
            problem: problem.into(),
            remedy: Some(remedy.to_owned()),
        });
    }

    fn name<T>(&mut self, field: &str, parsed: Result<T, NameError>) -> Option<T> {
        parsed
            .map_err(|error| {
                self.0.push(FieldProblem {
                    field: field.to_owned(),
                    problem: error.to_string(),
                    remedy: None,
                });
            })
            .ok()
    }

    fn text(&mut self, field: &str, value: Option<&str>) -> String {
        let value = value.unwrap_or("unknown");
        if value.is_empty() || value.chars().count() > TEXT_MAX || value.contains('\0') {
            self.add(
                field,
                "is empty, longer than 128 characters or contains NUL",
                "send 1 to 128 characters, or leave it out",
            );
        }
        value.to_owned()
    }

    fn list(
        &mut self,
        field: &str,
        what: &str,
        items: Option<Vec<String>>,
        max: usize,
        length_max: usize,
    ) -> Vec<String> {
        let items = items.unwrap_or_default();
        if items.len() > max {
            self.add(
                field,
                format!("has {} {what}", items.len()),
                &format!("send {max} {what} at most"),
            );
        }
        for (index, item) in items.iter().enumerate() {
            if item.is_empty() || item.chars().count() > length_max || item.contains('\0') {
                self.add(
                    &format!("{field}/{index}"),
                    format!("is empty, longer than {length_max} characters or contains NUL"),
                    &format!("send 1 to {length_max} characters"),
                );
            }
        }
        items
    }

    /// Years that PostgreSQL has and that are written with four digits.
    fn moment(&mut self, field: &str, given: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let moment = given.unwrap_or_else(Utc::now);
        if !(1..=9999).contains(&moment.year()) {
            self.add(
                field,
                format!("is in the year {}", moment.year()),
                "send a time from the year 1 to 9999, or leave it out",
            );
        }
        moment
    }

    fn priority(&mut self, priority: i32) -> i32 {
        if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
            self.add(
                "/priority",
                format!("is {priority}"),
                "send a number from -100 to 100",
            );
        }
        priority
    }

    fn key(&mut self, key: Option<&str>) {
        let Some(key) = key else { return };
        if key.is_empty() || key.len() > KEY_MAX || !key.bytes().all(|b| (0x21..=0x7e).contains(&b))
        {
            self.add(
                "/idempotency_key",
                "is not 1 to 255 visible ASCII characters",
                "use letters, digits and punctuation only",
            );
        }
    }

    fn check_context(&mut self, context: &Value, store: &Store) {
        self.0
            .extend(context_problem("/context", context, store.engine()));
    }
}

/// What a context may have.
pub(in crate::store) fn context_limits(engine: &Engine) -> JsonLimits {
    JsonLimits {
        max_bytes: engine.context_max_bytes,
        max_depth: engine.json_max_depth,
    }
}

/// Why a value cannot be a task's context, if it cannot.
pub(in crate::store) fn context_problem(
    field: &str,
    context: &Value,
    engine: &Engine,
) -> Option<FieldProblem> {
    let (problem, remedy) = if context.is_object() {
        let error = check_json(context, &context_limits(engine)).err()?;
        (error.to_string(), "see the limits in docs/operations.md")
    } else {
        (
            "is not a JSON object".to_owned(),
            "send an object such as {\"order_id\": 1}",
        )
    };
    Some(FieldProblem {
        field: field.to_owned(),
        problem,
        remedy: Some(remedy.to_owned()),
    })
}
