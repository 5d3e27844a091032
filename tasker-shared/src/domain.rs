//! The rules, free of I/O: names, JSON, templates, graphs, states, outcomes, retries.
//!
//! Nothing here is async, touches a database or a socket, or imports the store.
//! A fact decided here is decided once: the store applies it, the services
//! carry it, the tests state it.

mod graph;
mod json;
mod name;
mod outcome;
mod retry;
mod state;
mod template;

pub use graph::{Graph, GraphError};
pub use json::{check_json, parse_json, JsonError, JsonLimits, JsonProblem};
pub use name::{NameError, Namespace, StepName, TemplateName, Version};
pub use outcome::{decide, AttemptLimits, Change, FailureKind, Outcome, StepError};
pub use retry::{Backoff, RetryPolicy, MAX_RETRY_DELAY_MS};
pub use state::State;
pub use template::{
    parse_template, parse_template_within, ContextProblem, ContextValidator, Parsed, Problem,
    StepTemplate, Template, TemplateError, TemplateLimits,
};
