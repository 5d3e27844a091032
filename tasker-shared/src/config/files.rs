//! The layers that come from files: built-in base, base, environment.
//!
//! Each part of the directory may hold only its own sections, so that a worker
//! setting in an orchestration file is an error and not a value nobody reads.
//! Files are read with the `toml` crate itself because it knows the line of every
//! key. INVARIANT: a syntax error names the line and never quotes it, for it may
//! hold a password.

use std::io::ErrorKind;
use std::path::Path;

use ::config::{Map, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::error::ConfigProblem;
use super::keys::names_in;
use super::layer::Layer;
use super::origin::Origin;
use super::reading::Raw;
use super::sources::ConfigSources;

/// A folder of the configuration directory.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) sections: &'static [&'static str],
    /// The base file as built into the binary.
    pub(super) base: &'static str,
}

pub(super) const PARTS: [Part; 3] = [
    Part {
        name: "shared",
        sections: &["database", "engine", "templates", "telemetry"],
        base: include_str!("../../../config/shared/base.toml"),
    },
    Part {
        name: "orchestration",
        sections: &["orchestration"],
        base: include_str!("../../../config/orchestration/base.toml"),
    },
    Part {
        name: "worker",
        sections: &["worker"],
        base: include_str!("../../../config/worker/base.toml"),
    },
];

/// The environments that need no file of their own.
const ENVIRONMENTS: [&str; 3] = ["development", "test", "production"];

/// All layers of files, lowest first.
pub(super) fn layers(sources: &ConfigSources, problems: &mut Vec<ConfigProblem>) -> Vec<Layer> {
    let mut layers: Vec<Layer> = PARTS
        .iter()
        .map(|part| read(part, part.base, None, problems))
        .collect();
    let environment = sources.environment.as_str();
    let mut environment_is_known = ENVIRONMENTS.contains(&environment);
    let named_well = is_file_name(environment);
    if let Some(directory) = &sources.directory {
        if directory.is_dir() {
            for part in &PARTS {
                layers.extend(open(part, &directory.join(part.name), "base", problems));
            }
            for part in PARTS.iter().filter(|_| named_well) {
                let folder = directory.join(part.name).join("environments");
                let layer = open(part, &folder, environment, problems);
                environment_is_known |= layer.is_some();
                layers.extend(layer);
            }
        } else {
            problems.push(ConfigProblem::of_origin(
                &file(directory, None),
                "missing_directory",
                "is not a directory; configuration is read from there",
            ));
        }
    }
    if !environment_is_known {
        problems.push(ConfigProblem::of_origin(
            &Origin::Variable("TASKER_ENV".to_owned()),
            "unknown_environment",
            format!(
                "no configuration for the environment {environment:?}; use {} or add \
                 shared/environments/<name>.toml to the configuration directory",
                ENVIRONMENTS.join(", ")
            ),
        ));
    }
    layers
}

/// The environment becomes part of a path.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn file(path: &Path, line: Option<usize>) -> Origin {
    Origin::File {
        path: path.to_path_buf(),
        line,
    }
}

/// The layer of one file, if it is there.
fn open(
    part: &Part,
    folder: &Path,
    name: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Layer> {
    let path = folder.join(format!("{name}.toml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(read(part, &text, Some(&path), problems)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            problems.push(ConfigProblem::of_origin(
                &file(&path, None),
                "unreadable_file",
                format!("cannot be read: {error}"),
            ));
            None
        }
    }
}

fn read(part: &Part, text: &str, path: Option<&Path>, problems: &mut Vec<ConfigProblem>) -> Layer {
    let place = |offset: usize| {
        let line = text
            .get(..offset)
            .map_or(1, |before| before.matches('\n').count() + 1);
        path.map_or(Origin::BuiltIn, |path| file(path, Some(line)))
    };
    let mut layer = Layer::default();
    let root = match DeTable::parse(text) {
        Ok(root) => root.into_inner(),
        Err(error) => {
            problems.push(ConfigProblem::of_origin(
                &place(error.span().map_or(0, |span| span.start)),
                "invalid_toml",
                format!("is not valid TOML: {}", error.message()),
            ));
            return layer;
        }
    };
    for (section, value) in root {
        let origin = place(section.span().start);
        let name = section.into_inner();
        if part.sections.contains(&name.as_ref()) {
            walk(
                &name,
                value.into_inner(),
                origin,
                &mut |key, raw, at| {
                    layer.set(key, &Raw::Typed(raw), at, problems);
                },
                &place,
            );
        } else if names_in(&name).is_empty() {
            // Reported as the unknown key it is.
            layer.set(&name, &Raw::Typed(&ValueKind::Nil), origin, problems);
        } else {
            problems.push(ConfigProblem::of_key(
                &origin,
                &name,
                "misplaced_section",
                format!(
                    "does not belong in a file of {}/, which holds {}",
                    part.name,
                    part.sections.join(", ")
                ),
            ));
        }
    }
    layer
}

/// Calls `found` for every value below `path` with its dotted key and place. An
/// empty table below a section is handed over as a value, to be refused as one.
fn walk(
    path: &str,
    value: DeValue<'_>,
    origin: Origin,
    found: &mut dyn FnMut(&str, &ValueKind, Origin),
    place: &dyn Fn(usize) -> Origin,
) {
    let is_section = !path.contains('.');
    match value {
        DeValue::Table(table) if is_section || !table.is_empty() => {
            for (key, value) in table {
                let at = place(key.span().start);
                let path = format!("{path}.{}", key.get_ref());
                walk(&path, value.into_inner(), at, found, place);
            }
        }
        other => found(path, &kind(other), origin),
    }
}

/// A number beyond 64 bits stays a number, so that it is refused by its range.
fn kind(value: DeValue<'_>) -> ValueKind {
    match value {
        DeValue::String(text) => ValueKind::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(
                |_| {
                    i128::from_str_radix(number.as_str(), number.radix())
                        .map_or(ValueKind::I128(i128::MAX), ValueKind::I128)
                },
                ValueKind::I64,
            ),
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => ValueKind::Boolean(value),
        DeValue::Datetime(_) => ValueKind::Nil,
        DeValue::Array(values) => ValueKind::Array(
            values
                .into_iter()
                .map(|value| Value::new(None, kind(value.into_inner())))
                .collect(),
        ),
        DeValue::Table(_) => ValueKind::Table(Map::new()),
    }
}
