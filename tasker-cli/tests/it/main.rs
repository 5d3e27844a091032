//! The built program, as a person or a script meets it.
//!
//! `config`, `exits` and `templates` need nothing but the program; the others run
//! services on real databases.

#![allow(clippy::unwrap_used)] // a failed expectation is what a test is for

mod config;
mod demo;
mod dev;
mod exits;
mod online;
mod program;
mod templates;
