//! Orchestration: takes tasks in, applies outcomes, brings back what waits or was
//! lost, and serves the API.
//!
//! `intake` turns concurrent submissions into shared transactions, `results`
//! applies what workers report, `sweep` is the timer, `api` is HTTP, `service`
//! puts them together, `template_loader` reads templates from disk. All SQL is in `tasker_shared::store`.

mod api;
mod intake;
mod repair;
mod results;
mod service;
mod sweep;
mod template_loader;

pub use api::{router, ApiOptions, AppState, BindError, Pulse, RenderMetrics};
pub use intake::{IntakeError, IntakeHandle};
pub use service::{run_service, Orchestrator, OrchestratorError, OrchestratorHandle, ServiceError};
pub use template_loader::TemplateLoader;
