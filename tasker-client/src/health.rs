//! Calls on the service itself.

use reqwest::Method;
use tasker_shared::wire::{Liveness, Readiness, ServiceStatus};

use crate::request::send;
use crate::{Client, ClientError};

impl Client {
    /// Whether the process answers.
    pub async fn live(&self) -> Result<Liveness, ClientError> {
        self.get(&["health", "live"]).await
    }

    /// Whether the service can do its work; not ready is an answer, not an error.
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        send(self.call(Method::GET, &["health", "ready"]))
            .await?
            .json_of_any_status()
    }

    pub async fn status(&self) -> Result<ServiceStatus, ClientError> {
        self.get(&["health", "status"]).await
    }

    /// All metrics in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        send(self.call(Method::GET, &["metrics"])).await?.text()
    }
}
