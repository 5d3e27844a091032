//! Migration against a real server: both ways in, every refusal, and the schema
//! that comes out of it compared with the Rails engine's, column by column and
//! index by index.

mod catalog;
mod functions;
mod grants;
mod graph;
mod paths;
mod readiness;
mod refusals;
mod reports;
mod schema;
mod view;
