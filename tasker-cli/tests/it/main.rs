//! The built program, as a person or a script meets it.
//!
//! `offline` files need nothing but the program; `online` runs `tasker dev` and the
//! demo on real databases.

#![allow(clippy::unwrap_used)] // a failed expectation is what a test is for

mod config;
mod exits;
mod online;
mod program;
mod templates;
