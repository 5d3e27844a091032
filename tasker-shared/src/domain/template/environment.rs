//! Merging the block of an environment over the rest of a file.
//!
//! As in Rails: maps merge deeply, other values are replaced; steps are matched
//! by name and merge in turn, so `handler_config` is overridden key by key;
//! an override for a step that does not exist is dropped, here with a warning.
//! `${VAR}` is not expanded: a template means the same on every machine.

use super::problem::Problems;
use super::yaml::{shown, Field, Kind, Map, Node};

/// Environments one file may declare; each is merged and validated in full.
const MAX_ENVIRONMENTS: usize = 32;

/// A file as one environment sees it.
pub(super) struct View {
    /// None for the file without any block.
    pub(super) environment: Option<String>,
    pub(super) fields: Map,
}

/// The views of a file, the one for `active` first, then those of the other
/// blocks, which are validated so that a mistake shows before it is deployed.
pub(super) fn views(mut base: Map, active: &str, problems: &mut Problems) -> Vec<View> {
    let blocks = take_blocks(&mut base, problems);
    let mut views = Vec::with_capacity(blocks.len() + 1);
    for (name, block) in blocks {
        let view = View {
            fields: merge_template(&base, &block, problems),
            environment: Some(name),
        };
        if view.environment.as_deref() == Some(active) {
            views.insert(0, view);
        } else {
            views.push(view);
        }
    }
    let declared = views
        .first()
        .is_some_and(|view| view.environment.as_deref() == Some(active));
    if !declared {
        views.insert(
            0,
            View {
                environment: None,
                fields: base,
            },
        );
    }
    views
}

fn take_blocks(base: &mut Map, problems: &mut Problems) -> Vec<(String, Map)> {
    let Some(field) = base.shift_remove("environments") else {
        return Vec::new();
    };
    let blocks = match field.value.kind {
        Kind::Null => return Vec::new(),
        Kind::Map(blocks) => blocks,
        _ => {
            let message = "environments must be a map of environment names".to_owned();
            problems.add(Some(field.line), None, "wrong_type", message);
            return Vec::new();
        }
    };
    if blocks.len() > MAX_ENVIRONMENTS {
        let message = format!(
            "{} environments; at most {MAX_ENVIRONMENTS} are allowed",
            blocks.len()
        );
        problems.add(Some(field.line), None, "too_many_environments", message);
        return Vec::new();
    }
    let mut maps = Vec::with_capacity(blocks.len());
    for (name, block) in blocks {
        match block.value.kind {
            Kind::Null => maps.push((name, Map::new())),
            Kind::Map(map) => maps.push((name, map)),
            _ => {
                let message = format!("environment {} must be a map of fields", shown(&name));
                problems.add(Some(block.line), None, "wrong_type", message);
            }
        }
    }
    maps
}

fn merge_template(base: &Map, block: &Map, problems: &mut Problems) -> Map {
    let mut merged = base.clone();
    for (key, field) in block {
        match (key.as_str(), merged.get(key)) {
            ("step_templates", Some(steps)) => {
                let list = merge_steps(steps, field, problems);
                merged.insert(key.clone(), list);
            }
            ("step_templates", None) | ("environments", _) => {
                let message = format!("{key} cannot be introduced by an environment");
                problems.add(Some(field.line), None, "unknown_field", message);
            }
            _ => merge_field(&mut merged, key, field),
        }
    }
    merged
}

/// Inserts or replaces one field, going into maps that stand on both sides.
fn merge_field(into: &mut Map, key: &str, over: &Field) {
    let Some(present) = into.get_mut(key) else {
        into.insert(key.to_owned(), over.clone());
        return;
    };
    if let (Kind::Map(map), Kind::Map(overrides)) = (&mut present.value.kind, &over.value.kind) {
        for (key, field) in overrides {
            merge_field(map, key, field);
        }
    } else {
        *present = over.clone();
    }
}

fn merge_steps(base: &Field, over: &Field, problems: &mut Problems) -> Field {
    let (Kind::List(steps), Kind::List(overrides)) = (&base.value.kind, &over.value.kind) else {
        if !matches!(over.value.kind, Kind::List(_) | Kind::Null) {
            let message = format!(
                "step_templates must be a list, not {}",
                over.value.describe()
            );
            problems.add(Some(over.line), None, "wrong_type", message);
        }
        return base.clone();
    };
    let mut steps = steps.clone();
    for item in overrides {
        merge_step(&mut steps, item, problems);
    }
    let mut merged = base.clone();
    merged.value.kind = Kind::List(steps);
    merged
}

fn merge_step(steps: &mut [Node], over: &Node, problems: &mut Problems) {
    let Kind::Map(fields) = &over.kind else {
        let message = format!(
            "an override of a step must be a map, not {}",
            over.describe()
        );
        problems.add(Some(over.line), None, "wrong_type", message);
        return;
    };
    let Some(name) = step_name(over) else {
        let message = "an override of a step must name the step it overrides".to_owned();
        problems.add(Some(over.line), None, "missing_field", message);
        return;
    };
    let mut matched = false;
    for step in steps
        .iter_mut()
        .filter(|step| step_name(step) == Some(name))
    {
        matched = true;
        if let Kind::Map(map) = &mut step.kind {
            fields
                .iter()
                .for_each(|(key, field)| merge_field(map, key, field));
        }
    }
    if !matched {
        let message = "this override is dropped: no step of the template has this name".to_owned();
        problems.warn(
            Some(over.line),
            Some(name),
            "unknown_step_override",
            message,
        );
    }
}

fn step_name(step: &Node) -> Option<&str> {
    match &step.kind {
        Kind::Map(fields) => match &fields.get("name")?.value.kind {
            Kind::Text(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
