//! A task or a template on a terminal: head, progress bar and the graph.
//!
//! Three forms, by what fits: one line per step with its edges, a plain list with
//! the parents named, or one line per level with counts.

use tasker_shared::wire::TaskGraph;

use super::dag::{Dag, Node};
use super::lanes::{lanes, Line};
use super::mark::{state_ink, state_word, Mark};
use super::style::{pad, Ink, Style};

/// Steps beyond which levels are drawn instead.
pub(crate) const MOST_STEPS: usize = 60;

const BAR: usize = 24;
const MOST_LANES: usize = 16;

/// The room there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    /// Lines; none where the output scrolls.
    pub(crate) height: Option<usize>,
    pub(crate) style: Style,
}

/// Head, bar and graph of a running task. Every line ends in a newline and fits the width.
pub(crate) fn draw_task(graph: &TaskGraph, frame: Frame) -> String {
    let style = frame.style;
    let dag = Dag::of_task(graph);
    let all: Vec<usize> = (0..dag.nodes.len()).collect();
    let state = style.paint(state_ink(graph.state), state_word(graph.state));
    let name = style.clip(&graph.name, frame.width.saturating_sub(40).max(16));
    let name = style.paint(Ink::Strong, &name);
    let bar = progress(&dag, &all, style, BAR);
    let below = Frame {
        height: frame.height.map(|h| h.saturating_sub(4)),
        ..frame
    };
    format!(
        "{name}  task {}  {state}\n{bar}\n\n{}",
        graph.task_id,
        draw_dag(&dag, below)
    )
}

/// The graph alone.
pub(crate) fn draw_dag(dag: &Dag, frame: Frame) -> String {
    let count = dag.nodes.len();
    let room = frame.height.unwrap_or(usize::MAX);
    if count <= MOST_STEPS && count <= room {
        let most = (frame.width / 4).min(MOST_LANES);
        match lanes(dag, most) {
            Some(lines) if lines.len() <= room => return with_lines(dag, &lines, frame),
            _ => return as_list(dag, frame),
        }
    }
    by_level(dag, frame)
}

/// `[####....] 3/5  60 %  1 running, 1 waiting`
fn progress(dag: &Dag, among: &[usize], style: Style, width: usize) -> String {
    let done = done(dag, among);
    let percent = (done * 100).checked_div(among.len()).unwrap_or(100);
    let rest = remainder(dag, among, style);
    format!(
        "[{}] {done}/{}  {percent} %  {rest}",
        style.bar(done, among.len(), width),
        among.len()
    )
    .trim_end()
    .to_owned()
}

fn done(dag: &Dag, among: &[usize]) -> usize {
    among
        .iter()
        .filter(|&&i| dag.nodes[i].mark.is_some_and(Mark::is_done))
        .count()
}

/// What is not done, in words.
fn remainder(dag: &Dag, among: &[usize], style: Style) -> String {
    let counts = dag.counts(among);
    let parts: Vec<String> = counts
        .iter()
        .filter(|(mark, _)| !mark.is_done())
        .map(|(mark, count)| style.paint(mark.ink(), &format!("{count} {}", mark.word())))
        .collect();
    parts.join(", ")
}

fn with_lines(dag: &Dag, lines: &[Line], frame: Frame) -> String {
    let style = frame.style;
    let art = lines.iter().map(Line::width).max().unwrap_or(0);
    let names = name_column(dag, frame, art);
    let mut text = String::new();
    for line in lines {
        let mut row = String::from(" ");
        for column in 0..art {
            match line.node {
                Some((node, at)) if at == column => row.push_str(&glyph(&dag.nodes[node], style)),
                _ => row.push(line.piece(column, style.unicode)),
            }
        }
        if let Some((node, _)) = line.node {
            row.push_str("  ");
            let room = frame.width.saturating_sub(art + 3);
            row.push_str(&label(&dag.nodes[node], names, room, "", style));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn as_list(dag: &Dag, frame: Frame) -> String {
    let style = frame.style;
    let names = name_column(dag, frame, 1);
    let mut text = String::new();
    for node in dag.order() {
        let parents: Vec<&str> = dag.parents[node]
            .iter()
            .map(|&p| dag.nodes[p].name.as_str())
            .collect();
        let after = match parents.as_slice() {
            [] => String::new(),
            [one] => format!("after {one}"),
            [one, .., last] if parents.len() > 3 => {
                format!("after {one} .. {last} ({})", parents.len())
            }
            some => format!("after {}", some.join(", ")),
        };
        let entry = &dag.nodes[node];
        let room = frame.width.saturating_sub(4);
        let row = format!(
            " {}  {}",
            glyph(entry, style),
            label(entry, names, room, &after, style)
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn by_level(dag: &Dag, frame: Frame) -> String {
    let style = frame.style;
    let bands = bands(
        dag.levels(),
        frame.height.unwrap_or(MOST_STEPS).clamp(1, MOST_STEPS),
    );
    let most = bands
        .iter()
        .map(|b| b.nodes.len())
        .max()
        .unwrap_or(0)
        .to_string()
        .len();
    let heads: Vec<(String, String)> = bands
        .iter()
        .map(|b| (b.title(), group_name(dag, &b.nodes)))
        .collect();
    let titles = heads.iter().map(|h| h.0.chars().count()).max().unwrap_or(0);
    let names = heads.iter().map(|h| h.1.chars().count()).max().unwrap_or(0);
    let names = names.min((frame.width / 3).max(8));
    let mut text = String::new();
    for (band, (title, name)) in bands.iter().zip(&heads) {
        let title = style.paint(Ink::Dim, &pad(title, titles));
        let name = pad(&style.clip(name, names), names);
        let total = band.nodes.len();
        let row = if dag.nodes[band.nodes[0]].mark.is_some() {
            let done = done(dag, &band.nodes);
            let bar = style.bar(done, total, 10);
            let rest = remainder(dag, &band.nodes, style);
            format!(" {title}  {name}  {done:>most$}/{total:<most$}  {bar}  {rest}")
        } else {
            let steps = if total == 1 { "step" } else { "steps" };
            format!(" {title}  {name}  {total:>most$} {steps}")
        };
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// Levels that share a line.
struct Band {
    first: usize,
    last: usize,
    nodes: Vec<usize>,
}

impl Band {
    fn title(&self) -> String {
        if self.first == self.last {
            format!("level {}", self.first)
        } else {
            format!("levels {}-{}", self.first, self.last)
        }
    }
}

/// At most `most` bands of consecutive levels, all of the same number of levels.
fn bands(levels: Vec<Vec<usize>>, most: usize) -> Vec<Band> {
    let size = levels.len().div_ceil(most).max(1);
    let mut bands: Vec<Band> = vec![];
    for (level, nodes) in levels.into_iter().enumerate() {
        match bands.last_mut() {
            Some(band) if level - band.first < size => {
                band.last = level;
                band.nodes.extend(nodes);
            }
            _ => bands.push(Band {
                first: level,
                last: level,
                nodes,
            }),
        }
    }
    bands
}

/// `work_*` for names with a common beginning, else the first one and a count.
fn group_name(dag: &Dag, nodes: &[usize]) -> String {
    let first = &dag.nodes[nodes[0]].name;
    let common = nodes.iter().fold(first.len(), |length, &i| {
        let same = first
            .bytes()
            .zip(dag.nodes[i].name.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        length.min(same)
    });
    if nodes.len() == 1 {
        first.clone()
    } else if common > 1 {
        // Names hold ASCII only, so every byte is a character's end.
        format!(
            "{}*",
            first[..common].trim_end_matches(|c: char| c.is_ascii_digit())
        )
    } else {
        format!("{first} and {} more", nodes.len() - 1)
    }
}

fn name_column(dag: &Dag, frame: Frame, before: usize) -> usize {
    let longest = dag
        .nodes
        .iter()
        .map(|n| n.name.chars().count())
        .max()
        .unwrap_or(0);
    longest.min(frame.width.saturating_sub(before + 24).max(8))
}

fn glyph(node: &Node, style: Style) -> String {
    match node.mark {
        Some(mark) => style.paint(mark.ink(), &mark.glyph(style).to_string()),
        None => if style.unicode { "\u{25cb}" } else { "o" }.to_owned(),
    }
}

/// Name, mark in words and notes, in at most `room` columns.
fn label(node: &Node, names: usize, room: usize, extra: &str, style: Style) -> String {
    let name = pad(&style.clip(&node.name, names), names);
    let room = room.saturating_sub(names + 2);
    let word = node.mark.map_or("", Mark::word);
    let notes = [node.note.as_str(), extra];
    let notes: Vec<&str> = notes.into_iter().filter(|n| !n.is_empty()).collect();
    let notes = notes.join(", ");
    let ink = node.mark.map_or(Ink::Dim, Mark::ink);
    if word.is_empty() {
        return format!("{name}  {}", style.paint(ink, &style.clip(&notes, room)));
    }
    let shown = style.clip(word, room);
    let left = room.saturating_sub(shown.chars().count() + 2);
    let notes = if left > 3 {
        style.clip(&notes, left)
    } else {
        String::new()
    };
    format!(
        "{name}  {}  {}",
        style.paint(ink, &shown),
        style.paint(Ink::Dim, &notes)
    )
    .trim_end()
    .to_owned()
}

#[cfg(test)]
pub(crate) mod tests;
