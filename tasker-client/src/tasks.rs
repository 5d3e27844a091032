//! Calls on tasks.

use reqwest::Method;
use serde::Serialize;
use tasker_shared::wire::{
    Explanation, OperatorRequest, TaskBatchRequest, TaskBatchResponse, TaskFilter, TaskGraph,
    TaskPage, TaskRequest, TaskSubmitted, TaskView,
};

use crate::request::send;
use crate::{Client, ClientError};

/// What [`Client::task`] adds to a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    pub steps: bool,
    pub transitions: bool,
}

/// How [`Client::graph_text`] draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphFormat {
    Mermaid,
    Dot,
}

impl Client {
    /// Submits a task. Repeat it after a transient error only with an
    /// idempotency key, or there may be two.
    pub async fn submit(&self, request: &TaskRequest) -> Result<TaskSubmitted, ClientError> {
        self.post(&["v1", "tasks"], request).await
    }

    /// Submits many tasks; each item of the answer has its own outcome.
    pub async fn submit_batch(
        &self,
        tasks: &[TaskRequest],
    ) -> Result<TaskBatchResponse, ClientError> {
        // A request is plain data: writing it as JSON cannot fail.
        let tasks = tasks
            .iter()
            .filter_map(|task| serde_json::to_value(task).ok())
            .collect();
        self.post(&["v1", "tasks", "batch"], &TaskBatchRequest { tasks })
            .await
    }

    /// A page of tasks, newest first.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<TaskPage, ClientError> {
        send(self.call(Method::GET, &["v1", "tasks"]).query(filter))
            .await?
            .json()
    }

    pub async fn task(&self, task_id: i64, include: Include) -> Result<TaskView, ClientError> {
        let names = [
            (include.steps, "steps"),
            (include.transitions, "transitions"),
        ];
        let names: Vec<&str> = names
            .into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect();
        let mut call = self.call(Method::GET, &["v1", "tasks", &task_id.to_string()]);
        if !names.is_empty() {
            call = call.query(&[("include", names.join(","))]);
        }
        send(call).await?.json()
    }

    pub async fn graph(&self, task_id: i64) -> Result<TaskGraph, ClientError> {
        self.get(&["v1", "tasks", &task_id.to_string(), "graph"])
            .await
    }

    /// The graph as text to draw from.
    pub async fn graph_text(
        &self,
        task_id: i64,
        format: GraphFormat,
    ) -> Result<String, ClientError> {
        let call = self.call(Method::GET, &["v1", "tasks", &task_id.to_string(), "graph"]);
        send(call.query(&[("format", format)])).await?.text()
    }

    pub async fn explain(&self, task_id: i64) -> Result<Explanation, ClientError> {
        self.get(&["v1", "tasks", &task_id.to_string(), "explain"])
            .await
    }

    pub async fn cancel_task(
        &self,
        task_id: i64,
        request: &OperatorRequest,
    ) -> Result<TaskView, ClientError> {
        self.post(&["v1", "tasks", &task_id.to_string(), "cancel"], request)
            .await
    }

    pub async fn retry_task(
        &self,
        task_id: i64,
        request: &OperatorRequest,
    ) -> Result<TaskView, ClientError> {
        self.post(&["v1", "tasks", &task_id.to_string(), "retry"], request)
            .await
    }
}
