//! A private PostgreSQL cluster for development, demonstration, tests and
//! benchmarks: made from the PostgreSQL programs installed on the machine,
//! reachable by its owner only, and gone when its owner is gone.
//!
//! Blocking and without an async runtime, so that it can be used from a test
//! harness, from a static, and in `Drop`. It knows nothing of Tasker's schema.
//!
//! INVARIANT: no server outlives its owner. A clean end stops it in `Drop`; after
//! a `kill -9` of the owner a [`Watchdog`] does.

mod account;
mod binaries;
mod builder;
mod cluster;
mod error;
mod place;
mod server;
mod settings;
mod sql;
mod url;
mod watchdog;

pub use builder::ClusterBuilder;
pub use cluster::Cluster;
pub use error::ClusterError;
pub use settings::Settings;
pub use sql::Row;
pub use watchdog::Watchdog;

/// The oldest PostgreSQL major version that Tasker runs on.
pub const OLDEST_SUPPORTED_MAJOR: u32 = 15;
