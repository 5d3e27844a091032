//! The DAG of a task, and why its steps stand where they stand.
//!
//! Drawing a graph as text is [`super::graph_text`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StepPhase;
use crate::domain::State;

/// The DAG of a task with the states of its steps.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskGraph {
    pub task_id: i64,
    pub name: String,
    pub state: State,
    pub nodes: Vec<GraphNode>,
    pub edges: Vec<GraphEdge>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GraphNode {
    pub step_id: i64,
    pub name: String,
    pub state: State,
    pub phase: StepPhase,
    pub attempts: i32,
    /// Longest distance from a step without parents.
    pub level: u32,
}

/// `to` waits for `from`; both are step ids.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct GraphEdge {
    pub from: i64,
    pub to: i64,
}

/// Why the steps of a task stand where they stand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub task_id: i64,
    pub state: State,
    /// One sentence on the task as a whole.
    pub summary: String,
    /// One entry for each step that is neither running nor done.
    pub steps: Vec<StepExplanation>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepExplanation {
    pub step_id: i64,
    pub name: String,
    pub state: State,
    pub phase: StepPhase,
    /// The exact reason, for a person.
    pub reason: String,
    /// Steps that must finish, or be acted upon, first.
    pub waiting_on: Vec<String>,
    /// What an operator can do, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
