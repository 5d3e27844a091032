//! Orchestration against a real database.

#![allow(clippy::unwrap_used)]

mod api;
