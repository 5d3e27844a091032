//! Calls on the steps of a task.

use tasker_shared::wire::{OperatorRequest, ResolveRequest, StepList, StepView};

use crate::{Client, ClientError};

impl Client {
    /// The steps of a task, in template order.
    pub async fn steps(&self, task_id: i64) -> Result<Vec<StepView>, ClientError> {
        let list: StepList = self
            .get(&["v1", "tasks", &task_id.to_string(), "steps"])
            .await?;
        Ok(list.steps)
    }

    pub async fn step(&self, task_id: i64, step_id: i64) -> Result<StepView, ClientError> {
        let (task, step) = (task_id.to_string(), step_id.to_string());
        self.get(&["v1", "tasks", &task, "steps", &step]).await
    }

    pub async fn retry_step(
        &self,
        task_id: i64,
        step_id: i64,
        request: &OperatorRequest,
    ) -> Result<StepView, ClientError> {
        self.post(&step_verb(task_id, step_id, "retry"), request)
            .await
    }

    pub async fn resolve_step(
        &self,
        task_id: i64,
        step_id: i64,
        request: &ResolveRequest,
    ) -> Result<StepView, ClientError> {
        self.post(&step_verb(task_id, step_id, "resolve"), request)
            .await
    }

    pub async fn cancel_step(
        &self,
        task_id: i64,
        step_id: i64,
        request: &OperatorRequest,
    ) -> Result<StepView, ClientError> {
        self.post(&step_verb(task_id, step_id, "cancel"), request)
            .await
    }
}

fn step_verb(task_id: i64, step_id: i64, verb: &str) -> [String; 6] {
    let [v1, tasks, steps] = ["v1", "tasks", "steps"].map(str::to_owned);
    [
        v1,
        tasks,
        task_id.to_string(),
        steps,
        step_id.to_string(),
        verb.to_owned(),
    ]
}
