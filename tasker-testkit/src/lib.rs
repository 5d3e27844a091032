//! What the tests of every crate share; never part of a shipped program.
//!
//! A database per test ([`TestDatabase`]), services as separate processes
//! ([`ServiceProcess`]), waiting with a deadline instead of sleeping
//! ([`eventually`]), random graphs of steps ([`dags`]).
//!
//! The tests run on the server that `TASKER_TEST_DATABASE_URL` names. `make test`
//! sets it by running everything under the program `with-cluster`; without it each
//! test process starts a private cluster of its own, so a lone `cargo test` works too.

mod dag;
mod database;
mod eventually;
mod service;
mod test_server;

pub use dag::{dags, seeded_dag, Dag};
pub use database::TestDatabase;
pub use eventually::{eventually, within};
pub use service::{free_port, ServiceBuilder, ServiceProcess};
pub use test_server::{DATABASE_URL_VARIABLE, KEEP_VARIABLE};
