//! The worker: fetches steps, keeps their leases, runs them through a
//! dispatcher and reports what became of them. It knows nothing of the graph.
//!
//! The way of a step: `fetch` claims it and makes an event of it, a [`Dispatch`]
//! runs its handler, `report` stores the outcome; meanwhile `keep` renews the
//! lease and ends what runs too long. `running` is what all of them share.
//! Handlers in Rust are [`StepHandler`]s in a [`HandlerRegistry`]; other
//! languages implement [`Dispatch`].
//!
//! A dispatcher may hand executions on to other processes ([`Dispatch::hands_on`]), for
//! which an application's own job queue is the way; each is adopted there by an
//! [`Adopter`], a worker that claims nothing.

mod adopt;
mod fetch;
mod go_on;
mod handed_on;
mod handler;
mod keep;
mod poll;
mod report;
mod running;
mod seam;
mod service;
mod start;
mod web;

pub use adopt::{AdoptError, Adopted, Adopter, Reference};
pub use handler::{HandlerRegistry, RustDispatch, StepContext, StepHandler};
pub use report::{check_results, Unstorable};
pub use seam::{
    Completion, CompletionSink, Completions, Dispatch, ExecutionId, ProgressSlot, SavedContext,
    StepEvent, TaskFacts,
};
pub use service::{run_service, ServiceError, Worker, WorkerError, WorkerHandle};
