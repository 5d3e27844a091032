//! Wakes: hints between processes that there is something to fetch.
//!
//! A wake is a NOTIFY with the name of its [`Channel`] as payload, and after it the mark
//! of the process that sends it. Lone ones [ride](WakeHub::ride) with the commit that they
//! tell of. Many are sent after it, on a connection of their own and coalesced: inside
//! writing transactions they would serialise all commits of the database across their
//! flush.
//! Nothing depends on a wake: everybody also polls, so a lost one, a pooler that
//! swallows LISTEN or a connection that hangs costs time and no progress.

mod hub;
mod signal;
mod spacing;

use crate::domain::Namespace;

pub use hub::WakeHub;
pub use signal::Signal;

/// The one NOTIFY channel. Every process hears every wake and drops what it does
/// not wait for, so that namespaces may come and go without a LISTEN each.
pub const WAKE_CHANNEL: &str = "tasker_wake";

/// What a wake is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Steps of this namespace were enqueued.
    Steps(Namespace),
    /// Reports were sent.
    Results,
    /// Steps were cancelled: workers look after what they run.
    Cancelled,
    /// Steps got a due time.
    Delays,
    /// A template was registered: there may be a new namespace.
    Templates,
    /// Executions that this worker has handed on were adopted: it has room again.
    Adopted(String),
}

impl Channel {
    /// The payload that names the channel.
    pub fn name(&self) -> String {
        match self {
            Self::Steps(namespace) => format!("steps {namespace}"),
            Self::Results => "results".to_owned(),
            Self::Cancelled => "cancelled".to_owned(),
            Self::Delays => "delays".to_owned(),
            Self::Templates => "templates".to_owned(),
            Self::Adopted(worker_id) => format!("adopted {worker_id}"),
        }
    }
}
