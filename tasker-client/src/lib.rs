//! Typed client of the orchestration service's REST API.
//!
//! One method per endpoint, in the shapes of [`tasker_shared::wire`]; errors
//! are the service's problem documents, or what kept it from answering.
//! [`Client::wait`] follows a task to its end.

mod client;
mod error;
mod health;
mod request;
mod steps;
mod tasks;
mod templates;
mod wait;

pub use client::Client;
pub use error::ClientError;
pub use tasks::{GraphFormat, Include};
