//! The client against a server that answers what the test says.

mod answers;
mod server;
mod wait;
