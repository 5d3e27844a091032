//! What the terminal shows: pure functions from data to text.
//!
//! Nothing in here asks the terminal, the clock or the service anything. Width,
//! colour and character set come in as a [`Style`], text goes out, so that every
//! drawing has a golden test.

mod dag;
mod draw;
mod lanes;
mod log;
mod mark;
mod style;
mod table;

pub(crate) use dag::Dag;
pub(crate) use draw::{draw_dag, draw_task, Frame};
pub(crate) use log::changes;
pub(crate) use mark::{state_ink, state_word, Mark};
pub(crate) use style::{Ink, Style};
pub(crate) use table::{fields, table};
