//! Templates: registration, lists, and the faults found in one.
//!
//! A template travels as YAML text; what comes back is its canonical JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A template to register or to check: YAML text. Also accepted as a raw body of type application/yaml.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateRequest {
    pub yaml: String,
}

/// One registered template version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateSummary {
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub description: Option<String>,
    pub steps: usize,
    pub definition_id: i64,
    /// SHA-256 of the canonical definition.
    pub digest: String,
    pub registered_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateList {
    pub templates: Vec<TemplateSummary>,
}

/// A template version with its definition.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateDetail {
    #[serde(flatten)]
    pub summary: TemplateSummary,
    #[schema(value_type = Object)]
    pub definition: Value,
}

/// Answer to a registration.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateRegistered {
    #[serde(flatten)]
    pub template: TemplateSummary,
    /// False when exactly this content was registered before.
    pub created: bool,
    pub warnings: Vec<TemplateProblem>,
}

/// Answer to `POST /v1/templates/validate`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateValidation {
    pub valid: bool,
    pub errors: Vec<TemplateProblem>,
    pub warnings: Vec<TemplateProblem>,
}

/// A fault of a template, with its place.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TemplateProblem {
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    pub code: String,
    pub message: String,
}
