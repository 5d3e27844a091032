//! The two services as separate processes, through REST and nothing else.
//!
//! Each test has a database of its own and the processes it needs; where it looks
//! into the database, it is to see what no caller is shown (leases, queues), or to
//! wait for a moment worth hurting somebody in. Every test ends with all
//! invariants checked.

#![allow(clippy::unwrap_used)]

mod attach;
mod drain;
mod end_to_end;
mod failures;
mod fleet;
mod going_on;
mod handlers;
mod idle;
mod killed_orchestrator;
mod killed_worker;
mod outage;
mod paused_worker;
mod payloads;
mod site;
mod submissions;
mod templates;
mod traces;
mod verbs;
mod wakes;
