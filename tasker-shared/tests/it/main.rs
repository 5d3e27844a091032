//! Integration tests of tasker-shared: one binary, real PostgreSQL.

#![allow(clippy::unwrap_used)] // a failed expectation is what a test is for

mod engine;
mod migrate;
mod wakes;
