//! The client against a server that answers what the test says.

#![allow(clippy::unwrap_used)]

mod answers;
mod server;
mod wait;
