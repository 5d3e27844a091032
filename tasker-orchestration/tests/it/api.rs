//! The REST API as its clients see it: served on a port of its own, over a
//! database of its own, asked through the client and by hand.

mod bad_input;
mod contract;
mod harness;
mod limits;
mod operator;
mod outage;
mod tasks;
mod templates;
