//! Walking the places of a schema where schemas stand: strictness, references,
//! and keywords that the draft in force does not know.
//!
//! A walk that took every object for a schema would rewrite the values of
//! `default` and `enum`, and properties that happen to be called `properties`.

use std::collections::{HashMap, HashSet};

use serde_json::{json, Map, Value};

use super::{Finding, SchemaReport};
use crate::domain::json::pointer;

/// Keywords whose value is one schema.
const ONE: &[&str] = &[
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentSchema",
    "not",
];
/// Keywords whose value maps names to schemas.
const NAMED: &[&str] = &[
    "properties",
    "patternProperties",
    "definitions",
    "$defs",
    "dependencies",
    "dependentSchemas",
];
/// Keywords whose value is a list of schemas.
const LISTED: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Schemas under these apply to the same value, so references along them alone
/// would go round for ever.
const IN_PLACE: &[&str] = &[
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "dependentSchemas",
];

/// Schemas that may apply to one value, and the longest chain among them.
const MAX_SCHEMAS_PER_VALUE: usize = 10_000;
const MAX_CHAIN: usize = 64;

/// Draft 4 and the words that only describe.
const DRAFT_4: &[&str] = &[
    "$ref",
    "$schema",
    "id",
    "title",
    "description",
    "default",
    "type",
    "enum",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "definitions",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "items",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "$id",
    "$comment",
    "example",
    "examples",
    "readonly",
    "readOnly",
    "writeOnly",
    "deprecated",
];
/// What later drafts added.
const LATER: &[&str] = &[
    "const",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$defs",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "dependentRequired",
    "dependentSchemas",
    "prefixItems",
    "unevaluatedProperties",
    "unevaluatedItems",
    "minContains",
    "maxContains",
];

/// Rewrites `schema` so that validating by the book is as strict as Rails is.
pub(super) fn make_strict(schema: &mut Value) {
    let Value::Object(object) = schema else {
        return;
    };
    for (keyword, value) in object.iter_mut() {
        if keyword != "not" {
            children_mut(keyword, value)
                .into_iter()
                .for_each(make_strict);
        }
    }
    require_declared(object);
}

fn require_declared(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get("properties") else {
        return;
    };
    let declared: Vec<String> = properties
        .iter()
        .filter(|(_, schema)| !has_default(schema))
        .map(|(name, _)| name.clone())
        .collect();
    match object.get_mut("required") {
        Some(Value::Array(required)) => {
            let listed: HashSet<String> = required
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect();
            required.extend(
                declared
                    .into_iter()
                    .filter(|name| !listed.contains(name))
                    .map(Value::String),
            );
        }
        // A malformed `required` is left for the meta-schema to refuse.
        Some(_) => {}
        None if declared.is_empty() => {}
        None => {
            object.insert("required".to_owned(), json!(declared));
        }
    }
    if !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Rails inserts a default, except null and except on a read-only property.
fn has_default(schema: &Value) -> bool {
    let present = schema
        .get("default")
        .is_some_and(|default| !default.is_null());
    present && schema.get("readonly") != Some(&Value::Bool(true))
}

fn children_mut<'a>(keyword: &str, value: &'a mut Value) -> Vec<&'a mut Value> {
    if value.is_object() && (ONE.contains(&keyword) || keyword == "items") {
        return vec![value];
    }
    match value {
        Value::Object(fields) if NAMED.contains(&keyword) => fields.values_mut().collect(),
        Value::Array(items) if LISTED.contains(&keyword) || keyword == "items" => {
            items.iter_mut().collect()
        }
        _ => Vec::new(),
    }
}

/// The schemas under one keyword, with the rest of their path.
fn children<'a>(keyword: &str, value: &'a Value) -> Vec<(Option<String>, &'a Value)> {
    match value {
        Value::Object(fields) if NAMED.contains(&keyword) => fields
            .iter()
            .map(|(name, schema)| (Some(name.clone()), schema))
            .collect(),
        Value::Array(items) if LISTED.contains(&keyword) || keyword == "items" => items
            .iter()
            .enumerate()
            .map(|(i, schema)| (Some(i.to_string()), schema))
            .collect(),
        Value::Object(_) if ONE.contains(&keyword) || keyword == "items" => vec![(None, value)],
        _ => Vec::new(),
    }
}

/// Finds what compiling alone would let through: references out of the schema,
/// references that go round in place, and keywords nothing enforces.
pub(super) fn inspect(schema: &Value) -> SchemaReport {
    let mut report = SchemaReport::default();
    let draft_4 = match schema.get("$schema").and_then(Value::as_str) {
        Some(uri) => uri.contains("draft-04"),
        None => true,
    };
    let mut path = Vec::new();
    inspect_at(schema, draft_4, &mut path, &mut report);
    if report.problems.is_empty() {
        if let Some(message) = effort_problem(schema) {
            report.problems.push(Finding {
                pointer: String::new(),
                code: "invalid_schema",
                message: message.to_owned(),
            });
        }
    }
    report
}

fn inspect_at(schema: &Value, draft_4: bool, path: &mut Vec<String>, report: &mut SchemaReport) {
    let Value::Object(object) = schema else {
        return;
    };
    for (keyword, value) in object {
        path.push(keyword.clone());
        let reference = matches!(keyword.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
        if reference
            && value
                .as_str()
                .is_some_and(|target| !target.starts_with('#'))
        {
            report.problems.push(Finding {
                pointer: pointer(path),
                code: "remote_reference",
                message: "the schema refers to another document; copy it under definitions and use #/definitions/...".to_owned(),
            });
        }
        let known =
            DRAFT_4.contains(&keyword.as_str()) || (!draft_4 && LATER.contains(&keyword.as_str()));
        if !known {
            let later = LATER.contains(&keyword.as_str());
            let why = if later {
                "draft 4 does not know it; name a later draft in $schema"
            } else {
                "no draft knows it"
            };
            report.warnings.push(Finding {
                pointer: pointer(path),
                code: "field_without_effect",
                message: format!(
                    "the schema keyword {} has no effect: {why}",
                    crate::domain::template::yaml::shown(keyword)
                ),
            });
        }
        for (name, child) in children(keyword, value) {
            let depth = path.len();
            path.extend(name);
            inspect_at(child, draft_4, path, report);
            path.truncate(depth);
        }
        path.pop();
    }
}

/// What applying one schema to one value takes, subschemas in place included.
#[derive(Clone, Copy)]
struct Effort {
    schemas: usize,
    depth: usize,
}

/// Refuses schemas whose validation would never end, overflow the stack, or
/// take exponential time on a single value: forty definitions that each refer
/// twice to the next are a small file and 2^40 visits.
fn effort_problem(root: &Value) -> Option<&'static str> {
    let mut all = Vec::new();
    collect(root, &mut all);
    let mut known = HashMap::new();
    for schema in all {
        let Some(effort) = effort_of(root, schema, &mut known) else {
            return Some("the schema refers to itself without going into a property or an item, so it would never end");
        };
        if effort.schemas > MAX_SCHEMAS_PER_VALUE || effort.depth > MAX_CHAIN {
            return Some("references and combinations in the schema multiply beyond what is allowed; flatten it");
        }
    }
    None
}

fn collect<'a>(schema: &'a Value, all: &mut Vec<&'a Value>) {
    if let Value::Object(object) = schema {
        all.push(schema);
        for (keyword, value) in object {
            for (_, child) in children(keyword, value) {
                collect(child, all);
            }
        }
    }
}

/// Depth-first search with an explicit stack, for a chain of references may be
/// as long as the schema; `None` when it comes back to where it is.
fn effort_of<'a>(
    root: &'a Value,
    start: &'a Value,
    known: &mut HashMap<*const Value, Effort>,
) -> Option<Effort> {
    let mut open = HashSet::new();
    let mut stack = vec![(start, false)];
    while let Some((schema, leaving)) = stack.pop() {
        let id = std::ptr::from_ref(schema);
        if known.contains_key(&id) {
            continue;
        }
        let below = in_place(root, schema);
        if leaving {
            open.remove(&id);
            let mut effort = Effort {
                schemas: 1,
                depth: 1,
            };
            for next in below
                .iter()
                .filter_map(|next| known.get(&std::ptr::from_ref(*next)))
            {
                effort.schemas = effort.schemas.saturating_add(next.schemas);
                effort.depth = effort.depth.max(next.depth + 1);
            }
            known.insert(id, effort);
        } else if open.insert(id) {
            stack.push((schema, true));
            stack.extend(below.into_iter().map(|next| (next, false)));
        } else {
            return None;
        }
    }
    known.get(&std::ptr::from_ref(start)).copied()
}

fn in_place<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let Value::Object(object) = schema else {
        return Vec::new();
    };
    let mut next = Vec::new();
    for (keyword, value) in object {
        if IN_PLACE.contains(&keyword.as_str()) {
            next.extend(children(keyword, value).into_iter().map(|(_, child)| child));
        } else if let ("$ref", Some(target)) = (keyword.as_str(), value.as_str()) {
            next.extend(
                target
                    .strip_prefix('#')
                    .and_then(|pointer| root.pointer(pointer)),
            );
        }
    }
    next
}
