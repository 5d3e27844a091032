//! The layers that arrive as text: variables and command-line flags.
//!
//! `TASKER__SECTION__KEY` is always ours: one that names no key is refused.
//! `DATABASE_URL` belongs to nobody in particular, so it only fills a gap: it is
//! read when no file, variable or flag names a database.

use super::error::ConfigProblem;
use super::layer::Layer;
use super::origin::Origin;
use super::reading::Raw;
use super::sources::ConfigSources;

const PREFIX: &str = "TASKER__";
const DATABASE_URL: &str = "DATABASE_URL";

pub(super) fn from_variables(sources: &ConfigSources, problems: &mut Vec<ConfigProblem>) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in &sources.variables {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Variable(name.clone());
            layer.set(&path, &Raw::Text(value), origin, problems);
        }
    }
    layer
}

pub(super) fn from_flags(sources: &ConfigSources, problems: &mut Vec<ConfigProblem>) -> Layer {
    let mut layer = Layer::default();
    for (path, value) in &sources.overrides {
        layer.set(path, &Raw::Text(value), Origin::CommandLine, problems);
    }
    layer
}

/// The fallback for the database, below everything that names one.
pub(super) fn fallback(sources: &ConfigSources, problems: &mut Vec<ConfigProblem>) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in &sources.variables {
        if name == DATABASE_URL && !value.is_empty() {
            let origin = Origin::Variable(name.clone());
            layer.set("database.url", &Raw::Text(value), origin, problems);
        }
    }
    layer
}
