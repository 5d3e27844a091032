//! The native extension of the Ruby gem `tasker_core`.
//!
//! It is the worker of `tasker-worker-foundation` with Ruby at its seam: Rust threads
//! claim steps, keep leases and report; Ruby threads take executions and answer them.
//! `TaskerCore::Native` is private to the gem, whose library gives it a face.
//!
//! INVARIANT: no Ruby object is kept in Rust beyond a call, so there is nothing to mark.
//! INVARIANT: whatever waits does so without Ruby's lock and can be interrupted.
//! INVARIANT: no panic and no exception crosses a frame that owns something.
//!
//! The extension is not safe for Ractors: only the main one may use it.

mod adopt;
mod decode;
mod encode;
mod entry;
mod execution;
mod failure;
mod feed;
mod gather;
mod loopback;
mod monitor;
mod opening;
mod options;
mod promise;
mod queue;
mod rows;
mod start;
mod steps;
mod submission;
mod worker;

use magnus::{Error, Module, Ruby};

/// Defines `TaskerCore::Native`; called by `require "tasker_core/tasker_core"`.
#[magnus::init(name = "tasker_core")]
fn init(ruby: &Ruby) -> Result<(), Error> {
    let native = ruby.define_module("TaskerCore")?.define_module("Native")?;
    worker::define(ruby, native)?;
    execution::define(ruby, native)?;
    rows::define(ruby, native)?;
    adopt::define(ruby, native)?;
    submission::define(ruby, native)?;
    feed::define(ruby, native)?;
    loopback::define(ruby, native)
}
