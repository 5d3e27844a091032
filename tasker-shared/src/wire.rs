//! Shapes of the REST API, shared by the service, the client and the CLI.
//!
//! Times are UTC, RFC 3339. Requests refuse unknown fields; responses may gain
//! fields, and a reader should ignore those it does not know.

mod graph;
pub mod graph_text;
mod health;
mod problem;
mod step;
mod task;
mod template;

pub use graph::{Explanation, GraphEdge, GraphNode, StepExplanation, TaskGraph};
pub use health::{Check, Liveness, LoopStatus, Readiness, ServiceStatus};
pub use problem::{FieldProblem, Problem, ProblemKind, ProblemKinds, Violation};
pub use step::{
    FailureView, OperatorRequest, ResolveRequest, StepList, StepPhase, StepView, TransitionView,
};
pub use task::{
    AnnotationView, StepCounts, TaskBatchItem, TaskBatchRequest, TaskBatchResponse, TaskFilter,
    TaskPage, TaskRequest, TaskSubmitted, TaskView,
};
pub use template::{
    TemplateDetail, TemplateList, TemplateProblem, TemplateRegistered, TemplateRequest,
    TemplateSummary, TemplateValidation,
};
