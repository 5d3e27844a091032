//! What is said when something is wrong: with a request, or with the database.
//!
//! A problem tells the caller what is wrong and what helps, and never how the
//! service is built: no SQL, no file paths, no text of a panic.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TemplateProblem;

/// An RFC 9457 problem document.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// URI reference that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What is wrong with this request, and the remedy.
    pub detail: String,
    /// Stable code, `TSK-nnnn`.
    pub code: String,
    /// Finer name of the fault, where one kind has several: `json_nul`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The fields at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The faults of a refused template, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub template: Vec<TemplateProblem>,
}

/// One kind of problem, as `GET /problems/{code}` describes it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProblemKind {
    pub code: String,
    pub status: u16,
    pub title: String,
    /// What it means and what helps.
    pub meaning: String,
}

/// Every kind of problem the service answers with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProblemKinds {
    pub problems: Vec<ProblemKind>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer into the request, or the parameter's name.
    pub field: String,
    pub problem: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// One row `tasker verify` found that breaks an invariant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// Short name of the invariant.
    pub invariant: String,
    pub task_id: Option<i64>,
    pub step_id: Option<i64>,
    pub detail: String,
}
