//! YAML text to a tree of nodes that know their line.
//!
//! Reads the events of serde-saphyr's own parser rather than deserializing with
//! it: a serde visitor that keeps lines recurses through tens of kilobytes of
//! stack per level, which a deeply nested file turns into an abort of the
//! process. Events need no stack, and show quoting and tags as written.
//!
//! Refused is whatever could make a small file large or mean two things:
//! aliases (Ruby's safe loader refuses them too), merge keys, duplicate keys,
//! tags, several documents, and words that two readers understand differently
//! (see `scalar`).
//!
//! INVARIANT: a tree is at most `MAX_DEPTH` deep, so recursion over it is safe.

use indexmap::IndexMap;
use serde_json::{Number, Value};
use serde_saphyr::granit_parser::{self, ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::problem::Problems;
use super::scalar;

/// Nested maps and lists in a file; the same bound as for JSON.
pub(super) const MAX_DEPTH: usize = 64;

/// A value with the line it stands on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Map),
    /// A scalar already reported as a problem; nothing more is said about it.
    Refused,
}

pub(super) type Map = IndexMap<String, Field>;

/// A value of a map, with the line of its key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) line: usize,
    pub(super) value: Node,
}

impl Node {
    /// The same value as JSON, without the lines.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null | Kind::Refused => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(fields) => fields
                .iter()
                .map(|(key, field)| (key.clone(), field.value.to_json()))
                .collect(),
        }
    }

    /// What the value is, for messages: `the number 1.5`, `a list`.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null | Kind::Refused => "nothing".to_owned(),
            Kind::Bool(value) => format!("the boolean {value}"),
            Kind::Number(value) => format!("the number {value}"),
            Kind::Text(value) => format!("the text {}", shown(value)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }
}

/// A piece of the author's text, escaped and cut for a message.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push_str("...");
    }
    format!("\"{}\"", cut.escape_debug())
}

/// Parses one document. Problems are added to `problems`; `None` means the
/// text has no tree worth looking at.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
        documents: 0,
        sound: true,
        problems,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        let proceed = match next {
            Ok((event, span)) => builder.take(event, span.start.line()),
            Err(error) => {
                builder.syntax_error(&error);
                false
            }
        };
        if !proceed {
            return None;
        }
    }
    let empty = Node {
        line: 1,
        kind: Kind::Null,
    };
    builder.sound.then(|| builder.root.unwrap_or(empty))
}

/// A list or map whose end has not been reached.
enum Open {
    List {
        line: usize,
        items: Vec<Node>,
    },
    Map {
        line: usize,
        fields: Map,
        key: Option<(String, usize)>,
    },
}

struct Builder<'a> {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    /// False once the tree differs from what the text says.
    sound: bool,
    problems: &'a mut Problems,
}

impl Builder<'_> {
    /// Takes one event; false means that reading on is pointless.
    fn take(&mut self, event: Event<'_>, line: usize) -> bool {
        self.check_tag(event.tag(), event.scalar().is_some(), line);
        let opening = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if opening && self.open.len() >= MAX_DEPTH {
            return self.too_deep(line);
        }
        if opening && self.expects_key() {
            self.unsound(line, "yaml_key", "a key must be text, not a list or a map");
            return false;
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a file holds one template; remove the second document (---)";
                    self.unsound(line, "yaml_multiple_documents", message);
                    return false;
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let message = "aliases (*name) are not supported; write the value out";
                self.unsound(line, "yaml_alias", message);
                self.scalar(String::new(), false, line);
            }
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.scalar(text.into_owned(), plain, line);
            }
            Event::SequenceStart(..) => self.open.push(Open::List {
                line,
                items: Vec::new(),
            }),
            Event::MappingStart(..) => self.open.push(Open::Map {
                line,
                fields: Map::new(),
                key: None,
            }),
            Event::SequenceEnd | Event::MappingEnd => {
                let (line, kind) = match self.open.pop() {
                    Some(Open::List { line, items }) => (line, Kind::List(items)),
                    Some(Open::Map { line, fields, .. }) => (line, Kind::Map(fields)),
                    None => return true,
                };
                self.place(Node { line, kind });
            }
            _ => {}
        }
        true
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn scalar(&mut self, text: String, plain: bool, line: usize) {
        if text.contains('\0') {
            let message = "contains the character U+0000, which cannot be stored";
            self.problems
                .add(Some(line), None, "yaml_nul", message.to_owned());
        }
        let read = if plain { scalar::read(&text) } else { Ok(None) };
        let kind = read.unwrap_or_else(|refusal| {
            self.problems
                .add(Some(line), None, refusal.code, refusal.message);
            Some(Kind::Refused)
        });
        if !self.expects_key() {
            let kind = kind.unwrap_or(Kind::Text(text));
            self.place(Node { line, kind });
            return;
        }
        if kind == Some(Kind::Null) {
            self.unsound(line, "yaml_key", "a key must be text, not nothing");
        } else if plain && text == "<<" {
            let message = "merge keys (<<) are not supported; write the fields out";
            self.unsound(line, "yaml_merge_key", message);
        }
        if let Some(Open::Map { key, fields, .. }) = self.open.last_mut() {
            let duplicate = fields.contains_key(&text).then(|| {
                format!(
                    "the key {} appears twice in one map; keep one",
                    shown(&text)
                )
            });
            *key = Some((text, line));
            if let Some(message) = duplicate {
                self.unsound(line, "yaml_duplicate_key", &message);
            }
        }
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { fields, key, .. }) => {
                if let Some((key, line)) = key.take() {
                    fields.insert(key, Field { line, value: node });
                }
            }
        }
    }

    /// Tags that say what the node is anyway are accepted, all others change
    /// its meaning in one reader or another.
    fn check_tag(&mut self, tag: Option<&Tag>, scalar: bool, line: usize) {
        let Some(tag) = tag else {
            return;
        };
        let harmless = match tag.core_suffix() {
            Some("str") => scalar,
            Some("map" | "seq") => !scalar,
            _ => false,
        };
        if !harmless {
            let message = format!(
                "the tag {} is not supported; remove it",
                shown(&tag.original())
            );
            self.unsound(line, "yaml_tag", &message);
        }
    }

    fn too_deep(&mut self, line: usize) -> bool {
        let message = format!("nested deeper than the {MAX_DEPTH} levels allowed");
        self.unsound(line, "yaml_too_deep", &message);
        false
    }

    fn unsound(&mut self, line: usize, code: &'static str, message: &str) {
        self.sound = false;
        self.problems
            .add(Some(line), None, code, message.to_owned());
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let line = error.marker().line();
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                self.too_deep(line);
            }
            ErrorKind::UnknownAnchor => {
                let message = "aliases (*name) are not supported; write the value out";
                self.unsound(line, "yaml_alias", message);
            }
            _ => self.unsound(
                line,
                "yaml_syntax",
                &format!("not readable as YAML: {}", error.info()),
            ),
        }
    }
}
