//! What every part of Tasker Core shares.
//!
//! [`domain`] is pure: ids, states, graphs, templates, outcomes and the rules
//! that turn one into the other. [`store`] holds all SQL. [`messaging`] names
//! the queues and carries wake-ups. [`config`] and [`telemetry`] are what a
//! process needs around them, and [`wire`] the shapes of the REST API.
//!
//! Nothing here knows which role a process plays: orchestration and workers
//! both build on this crate and never on each other.

pub mod announce;
pub mod config;
pub mod domain;
pub mod messaging;
pub mod program;
pub mod store;
pub mod supervise;
pub mod telemetry;
pub mod template_files;
pub mod tls;
pub mod wire;
