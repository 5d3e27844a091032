//! Draws a DAG as Mermaid or Graphviz text, coloured by state.
//!
//! Pure text in, text out; the service and the CLI both draw with it.
//!
//! INVARIANT: a step's name appears only inside a quoted label, escaped for the
//! notation, so no name can add nodes, edges, links or markup to the drawing.

use std::fmt::Write as _;

use super::TaskGraph;
use crate::domain::State;

/// One box: its label, and its state when there is a run to speak of.
#[derive(Debug, Clone, Copy)]
pub struct TextNode<'a> {
    pub label: &'a str,
    pub state: Option<State>,
}

/// Fill and border colour of a state.
const fn colours(state: State) -> (&'static str, &'static str) {
    match state {
        State::Pending => ("#f3f4f6", "#6b7280"),
        State::InProgress => ("#dbeafe", "#2563eb"),
        State::Complete => ("#dcfce7", "#16a34a"),
        State::Error => ("#fee2e2", "#dc2626"),
        State::Cancelled => ("#e5e7eb", "#374151"),
        State::ResolvedManually => ("#fef9c3", "#ca8a04"),
    }
}

/// A task's graph as a Mermaid flowchart.
pub fn task_mermaid(graph: &TaskGraph) -> String {
    let (nodes, edges) = parts(graph);
    mermaid(&nodes, &edges)
}

/// A task's graph in Graphviz' notation.
pub fn task_dot(graph: &TaskGraph) -> String {
    let (nodes, edges) = parts(graph);
    dot(&graph.name, &nodes, &edges)
}

/// Edges by position in the list of nodes; an edge to a step that is not
/// there is left out.
fn parts(graph: &TaskGraph) -> (Vec<TextNode<'_>>, Vec<(usize, usize)>) {
    let place: std::collections::HashMap<i64, usize> = graph
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (node.step_id, at))
        .collect();
    let edges = graph
        .edges
        .iter()
        .filter_map(|edge| Some((*place.get(&edge.from)?, *place.get(&edge.to)?)))
        .collect();
    let nodes = graph
        .nodes
        .iter()
        .map(|node| TextNode {
            label: &node.name,
            state: Some(node.state),
        })
        .collect();
    (nodes, edges)
}

/// A Mermaid flowchart of `nodes`; edges are pairs of positions in it.
pub fn mermaid(nodes: &[TextNode<'_>], edges: &[(usize, usize)]) -> String {
    let mut text = String::from("flowchart TD\n");
    for (at, node) in nodes.iter().enumerate() {
        let class = node
            .state
            .map(|state| format!(":::{state}"))
            .unwrap_or_default();
        let _ = writeln!(text, "    s{at}[\"{}\"]{class}", mermaid_label(node.label));
    }
    for (from, to) in edges {
        let _ = writeln!(text, "    s{from} --> s{to}");
    }
    for state in State::ALL
        .into_iter()
        .filter(|s| nodes.iter().any(|n| n.state == Some(*s)))
    {
        let (fill, stroke) = colours(state);
        let _ = writeln!(
            text,
            "    classDef {state} fill:{fill},stroke:{stroke},color:#111827"
        );
    }
    text
}

/// A Graphviz digraph of `nodes`; edges are pairs of positions in it.
pub fn dot(title: &str, nodes: &[TextNode<'_>], edges: &[(usize, usize)]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "digraph \"{}\" {{", dot_label(title));
    text.push_str("    rankdir=TB;\n    node [shape=box, style=\"rounded,filled\"];\n");
    for (at, node) in nodes.iter().enumerate() {
        let (fill, stroke) = node.state.map_or(("#ffffff", "#374151"), colours);
        let label = dot_label(node.label);
        let _ = writeln!(
            text,
            "    s{at} [label=\"{label}\", fillcolor=\"{fill}\", color=\"{stroke}\"];"
        );
    }
    for (from, to) in edges {
        let _ = writeln!(text, "    s{from} -> s{to};");
    }
    text.push_str("}\n");
    text
}

fn mermaid_label(name: &str) -> String {
    name.chars()
        .fold(String::with_capacity(name.len()), |mut label, letter| {
            match letter {
                // Mermaid reads `#n;` as the character with that number.
                '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' => {
                    let _ = write!(label, "#{};", u32::from(letter));
                }
                _ if letter.is_control() => label.push(' '),
                _ => label.push(letter),
            }
            label
        })
}

fn dot_label(name: &str) -> String {
    name.chars()
        .fold(String::with_capacity(name.len()), |mut label, letter| {
            match letter {
                '"' | '\\' => label.extend(['\\', letter]),
                _ if letter.is_control() => label.push(' '),
                _ => label.push(letter),
            }
            label
        })
}

#[cfg(test)]
mod tests {
    use super::{dot, mermaid, TextNode};
    use crate::domain::State;

    const NODES: [TextNode<'static>; 2] = [
        TextNode {
            label: "validate",
            state: Some(State::Complete),
        },
        TextNode {
            label: "ship",
            state: Some(State::Error),
        },
    ];

    #[test]
    fn mermaid_shows_every_step_edge_and_state() {
        let text = mermaid(&NODES, &[(0, 1)]);
        assert_eq!(
            text,
            "flowchart TD\n    s0[\"validate\"]:::complete\n    s1[\"ship\"]:::error\n    s0 --> s1\n    \
             classDef complete fill:#dcfce7,stroke:#16a34a,color:#111827\n    \
             classDef error fill:#fee2e2,stroke:#dc2626,color:#111827\n"
        );
    }

    #[test]
    fn dot_shows_every_step_edge_and_state() {
        let text = dot("order", &NODES, &[(0, 1)]);
        assert!(text.starts_with("digraph \"order\" {\n"));
        assert!(text.contains("s0 [label=\"validate\", fillcolor=\"#dcfce7\""));
        assert!(text.contains("s0 -> s1;"));
    }

    #[test]
    fn a_name_cannot_leave_its_label() {
        let hostile = TextNode {
            label: "a\"]; s9 --> s0\n<b>`\\",
            state: None,
        };
        let text = mermaid(&[hostile], &[]);
        assert_eq!(
            text,
            "flowchart TD\n    s0[\"a#34;]#59; s9 --#62; s0 #60;b#62;#96;#92;\"]\n"
        );
        let text = dot("x\"y\\", &[hostile], &[]);
        assert!(text.starts_with("digraph \"x\\\"y\\\\\" {"));
        assert!(text.contains("label=\"a\\\"]; s9 --> s0 <b>`\\\\\""));
    }
}
