//! Typed look-ups in a map of the file: a wrong type, an unknown or a missing
//! field becomes a problem with the line it stands on.
//!
//! A field written without a value (`description:`) counts as absent.

use super::problem::Problems;
use super::suggest::nearest;
use super::yaml::{shown, Kind, Map, Node};

/// What a map may contain.
pub(super) struct Known {
    /// What messages call the map: `step`, `template`, `retry`.
    pub(super) of: &'static str,
    pub(super) fields: &'static [&'static str],
    /// Accepted, because the Rails engine accepts them, with the reason why
    /// they change nothing.
    pub(super) inert: &'static [(&'static str, &'static str)],
    /// Names that other documents use, with the name that is read.
    pub(super) hints: &'static [(&'static str, &'static str)],
}

/// One map of the file, with what its problems are about.
pub(super) struct Fields<'a, 'p> {
    pub(super) map: &'a Map,
    pub(super) line: usize,
    pub(super) step: Option<&'p str>,
    pub(super) problems: &'p mut Problems,
}

impl<'a> Fields<'a, '_> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        let value = &self.map.get(key)?.value;
        (!matches!(value.kind, Kind::Null | Kind::Refused)).then_some(value)
    }

    /// Line of the field's key, or of the map where the field is absent.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.map.get(key).map_or(self.line, |field| field.line)
    }

    pub(super) fn problem(&mut self, key: &str, code: &'static str, message: String) {
        let line = self.line_of(key);
        self.problems.add(Some(line), self.step, code, message);
    }

    fn wrong_type(&mut self, key: &str, node: &Node, expected: &str) {
        let found = node.describe();
        let quote = match &node.kind {
            Kind::Number(_) | Kind::Bool(_) if expected == "text" => "; quote it if it is text",
            _ => "",
        };
        self.problem(
            key,
            "wrong_type",
            format!("{key} must be {expected}, not {found}{quote}"),
        );
    }

    /// Reports fields that nothing reads and warns about those without effect.
    pub(super) fn check_known(&mut self, known: &Known) {
        let unknown = |key: &&String| !known.fields.contains(&key.as_str());
        let keys: Vec<&String> = self.map.keys().filter(unknown).collect();
        for key in keys {
            let line = Some(self.line_of(key));
            let inert = known.inert.iter().find(|(name, _)| name == key);
            if let Some((_, why)) = inert {
                let message = format!("{key} is accepted but has no effect: {why}");
                self.problems
                    .warn(line, self.step, "field_without_effect", message);
                continue;
            }
            let hint = known
                .hints
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, hint)| *hint);
            let few = self.problems.few();
            let near = || {
                few.then(|| nearest(key, known.fields.iter().copied()))
                    .flatten()
                    .map(|name| format!("did you mean {name}?"))
            };
            let help = hint
                .map(|hint| format!("did you mean {hint}?"))
                .or_else(near)
                .unwrap_or_else(|| format!("a {} knows {}", known.of, known.fields.join(", ")));
            let message = format!("unknown field {}; {help}", shown(key));
            self.problems.add(line, self.step, "unknown_field", message);
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        let node = self.get(key)?;
        if let Kind::Text(text) = &node.kind {
            return Some(text);
        }
        self.wrong_type(key, node, "text");
        None
    }

    /// Text of 1 to `longest` characters without control characters.
    pub(super) fn label(&mut self, key: &str, longest: usize) -> Option<&'a str> {
        let text = self.text(key)?;
        let length = text.chars().count();
        if length == 0 || length > longest {
            let message = format!("{key} has {length} characters; 1 to {longest} are allowed");
            self.problem(key, "bad_length", message);
            return None;
        }
        if text.chars().any(char::is_control) {
            let message = format!("{key} contains a control character; remove it");
            self.problem(key, "control_character", message);
            return None;
        }
        Some(text)
    }

    /// Free text of at most `longest` characters.
    pub(super) fn prose(&mut self, key: &str, longest: usize) -> Option<String> {
        let text = self.text(key)?;
        let length = text.chars().count();
        if length > longest {
            let message = format!("{key} has {length} characters; at most {longest} are allowed");
            self.problem(key, "bad_length", message);
            return None;
        }
        Some(text.to_owned())
    }

    /// Reports a required field that has no value.
    pub(super) fn require(&mut self, key: &str) {
        let state = match self.map.get(key).map(|field| &field.value.kind) {
            None => "is missing",
            Some(Kind::Null) => "is empty",
            Some(_) => return,
        };
        self.problem(key, "missing_field", format!("the field {key} {state}"));
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        if let Kind::Bool(value) = node.kind {
            return Some(value);
        }
        self.wrong_type(key, node, "true or false");
        None
    }

    /// A whole number within `least..=most`.
    pub(super) fn whole(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let node = self.get(key)?;
        let Kind::Number(number) = &node.kind else {
            self.wrong_type(key, node, "a whole number");
            return None;
        };
        let value = number
            .as_u64()
            .filter(|value| (least..=most).contains(value));
        if value.is_none() {
            let message =
                format!("{key} must be a whole number from {least} to {most}, not {number}");
            self.problem(key, "out_of_range", message);
        }
        value
    }

    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        let node = self.get(key)?;
        if let Kind::Number(number) = &node.kind {
            return number.as_f64();
        }
        self.wrong_type(key, node, "a number");
        None
    }

    pub(super) fn map(&mut self, key: &str) -> Option<&'a Map> {
        let node = self.get(key)?;
        if let Kind::Map(map) = &node.kind {
            return Some(map);
        }
        self.wrong_type(key, node, "a map");
        None
    }

    pub(super) fn list(&mut self, key: &str) -> Option<&'a [Node]> {
        let node = self.get(key)?;
        if let Kind::List(items) = &node.kind {
            return Some(items);
        }
        self.wrong_type(key, node, "a list");
        None
    }

    /// A list of texts, each with its line.
    pub(super) fn texts(&mut self, key: &str) -> Vec<(&'a str, usize)> {
        let mut texts = Vec::new();
        for item in self.list(key).unwrap_or_default() {
            if let Kind::Text(text) = &item.kind {
                texts.push((text.as_str(), item.line));
            } else if item.kind != Kind::Refused {
                let message = format!("{key} must list texts, not {}", item.describe());
                self.problems
                    .add(Some(item.line), self.step, "wrong_type", message);
            }
        }
        texts
    }

    /// Parses a name, reporting why it is refused.
    pub(super) fn name<T>(
        &mut self,
        key: &str,
        parse: fn(&str) -> Result<T, crate::domain::NameError>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.problem(key, error.code(), error.to_string());
                None
            }
        }
    }
}
