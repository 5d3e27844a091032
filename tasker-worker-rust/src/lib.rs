//! Handlers in Rust and the workflows they make up.
//!
//! [`registry`] holds every handler of this crate under the class name its
//! templates (`config/tasks/`) use. The modules are also the examples to copy
//! from when writing handlers of one's own:
//!
//! - `order`: order fulfilment, with decimals for money, refusals for good
//!   against faults worth another attempt, and idempotent outside calls;
//! - `flight_weather`: a data pipeline with parallel partitions and a join;
//! - `arithmetic`: small steps whose final value proves the order they ran in;
//! - `failures`: steps that fail on purpose;
//! - `bench`: steps that do nothing, for measuring the engine.

#![allow(
    clippy::result_large_err,
    reason = "a step's error is made once per failed attempt, next to which its size is nothing"
)]

mod arithmetic;
mod bench;
mod failures;
mod flight_weather;
mod input;
mod order;
mod registry;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod testing;

pub use registry::registry;
