//! Orchestration against a real database.

mod api;
