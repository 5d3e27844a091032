//! What the test kit promises to the tests of the other crates.
#![allow(clippy::unwrap_used)]

mod database;
mod service;
mod tidy;
