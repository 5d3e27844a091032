//! The engine on a real database: submit, claim, advance, sweep, operate, verify.
//!
//! Every test has a database of its own and ends with `verify` finding nothing.

mod adopt;
mod advance;
mod batching;
mod costs;
mod failures;
mod feed;
mod harness;
mod operate;
mod plans;
mod random;
mod readiness;
mod records;
mod shapes;
mod siblings;
mod submit;
mod sweep;
mod take;
