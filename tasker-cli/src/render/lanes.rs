//! Draws a DAG as lines that run beside a list of its nodes, one node per line.
//!
//! A lane is a bundle of edges: all its sources have all its targets as children,
//! which is why a fan-out of any width and the join behind it need three lanes.
//! The reader's rule is: a glyph hangs on what is above it or, if it has one, on the
//! line at its left; a line at its right is where its children hang.
//!
//! INVARIANT: every source joins a lane before the first target leaves it (targets
//! come later in topological order), so a lane never claims an edge that is not there.

use super::dag::Dag;

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// One line of the drawing: pieces by directions, two columns per lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The node of this line and the column of its glyph.
    pub(crate) node: Option<(usize, usize)>,
    pieces: Vec<u8>,
}

impl Line {
    /// The text of column `column`, where no glyph is.
    pub(crate) fn piece(&self, column: usize, unicode: bool) -> char {
        let bits = self.pieces.get(column).copied().unwrap_or(0);
        if unicode {
            box_piece(bits)
        } else {
            ascii_piece(bits)
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.pieces.len()
    }
}

const fn box_piece(bits: u8) -> char {
    const PIECES: [char; 16] = [
        ' ', '│', '│', '│', '─', '╯', '╮', '┤', '─', '╰', '╭', '├', '─', '┴', '┬', '┼',
    ];
    PIECES[(bits & 15) as usize]
}

const fn ascii_piece(bits: u8) -> char {
    match bits & 15 {
        0 => ' ',
        1..=3 => '|',
        4 | 8 | 12 => '-',
        _ => '+',
    }
}

/// The drawing, or nothing when it needs more than `most` lanes to be read.
pub(crate) fn lanes(dag: &Dag, most: usize) -> Option<Vec<Line>> {
    let mut plan = Plan {
        dag,
        lanes: vec![],
        lines: vec![],
        drawn: vec![false; dag.nodes.len()],
    };
    for node in dag.order() {
        plan.draw(node);
        if plan.lanes.len() > most {
            return None;
        }
    }
    Some(plan.lines)
}

struct Lane {
    targets: Vec<usize>,
    sources: usize,
    /// More than one target at first: its last target still branches off like the others.
    fan: bool,
}

struct Plan<'a> {
    dag: &'a Dag,
    lanes: Vec<Option<Lane>>,
    lines: Vec<Line>,
    drawn: Vec<bool>,
}

impl Plan<'_> {
    fn draw(&mut self, node: usize) {
        let inputs: Vec<usize> = (0..self.lanes.len())
            .filter(|&i| self.targets(i).contains(&node))
            .collect();
        match *inputs.as_slice() {
            [] => self.draw_root(node),
            [lane] => self.draw_child(node, lane),
            _ => self.draw_join(node, &inputs),
        }
        self.drawn[node] = true;
    }

    fn targets(&self, lane: usize) -> &[usize] {
        self.lanes[lane].as_ref().map_or(&[], |l| &l.targets)
    }

    /// Takes `node` out of the lane; true when that was its last target.
    fn leave(&mut self, lane: usize, node: usize) -> bool {
        let Some(open) = &mut self.lanes[lane] else {
            return true;
        };
        open.targets.retain(|&t| t != node);
        let ended = open.targets.is_empty();
        if ended {
            self.lanes[lane] = None;
        }
        ended
    }

    fn draw_root(&mut self, node: usize) {
        let lane = self.free_from(0);
        // Directly below a node without children it would read as its child.
        let below_a_leaf = self.lines.last().is_some_and(|row| {
            let bare = |column: usize| row.pieces.get(column + 1).is_none_or(|&bits| bits == 0);
            row.node
                .is_some_and(|(_, column)| column == 2 * lane && bare(column))
        });
        if below_a_leaf {
            let row = self.verticals();
            self.push(None, row);
        }
        self.draw_glyph(node, lane, None);
    }

    fn draw_child(&mut self, node: usize, lane: usize) {
        let lane = self.pull_left(lane);
        let fan = self.lanes[lane].as_ref().is_some_and(|l| l.fan);
        let ended = self.leave(lane, node);
        if ended && !fan {
            self.draw_glyph(node, lane, None);
        } else {
            let beside = self.free_from(lane + 1);
            self.draw_glyph(
                node,
                beside,
                Some((lane, if ended { UP } else { UP | DOWN })),
            );
        }
    }

    /// Moves a lane that several sources share to the first free place at its left,
    /// so that one fan after the other does not drift off to the right.
    fn pull_left(&mut self, lane: usize) -> usize {
        let shared = self.lanes[lane].as_ref().is_some_and(|l| l.sources > 1);
        let free = self.free_from(0);
        if !shared || free > lane {
            return lane;
        }
        let mut row = self.verticals();
        self.connect(&mut row, free, lane);
        row[2 * free] = DOWN | RIGHT;
        row[2 * lane] = UP | LEFT;
        self.push(None, row);
        self.lanes[free] = self.lanes[lane].take();
        if let Some(moved) = &mut self.lanes[free] {
            moved.sources = 1;
        }
        free
    }

    /// Several lanes meet on a line of their own, the node hangs below it.
    fn draw_join(&mut self, node: usize, inputs: &[usize]) {
        let mut row = self.verticals();
        let mut ended = vec![];
        for &lane in inputs {
            if self.leave(lane, node) {
                ended.push(lane);
            }
        }
        // The first place that is free now, perhaps because its lane has just ended,
        // but not one that the meeting line would have to cross from afar.
        let free = self.free_from(0);
        let at = ended.first().map_or(free, |&first| free.min(first));
        let (low, high) = (at.min(inputs[0]), at.max(inputs[inputs.len() - 1]));
        self.connect(&mut row, low, high);
        for lane in low..=high {
            let input = inputs.contains(&lane);
            if !input && lane != at {
                continue;
            }
            let mut bits = 0;
            bits |= if input { UP } else { 0 };
            bits |= if lane == at || (input && !ended.contains(&lane)) {
                DOWN
            } else {
                0
            };
            bits |= if lane > low { LEFT } else { 0 };
            bits |= if lane < high { RIGHT } else { 0 };
            row[2 * lane] = bits;
        }
        self.push(None, row);
        self.draw_glyph(node, at, None);
    }

    /// The node's own line: what it hangs on at the left, its glyph, its children's lane.
    fn draw_glyph(&mut self, node: usize, lane: usize, from: Option<(usize, u8)>) {
        let mut row = self.verticals();
        if let Some((source, bits)) = from {
            self.connect(&mut row, source, lane);
            row[2 * source] = bits | RIGHT;
        }
        let children = self.dag.children[node].clone();
        let meets = (lane + 1..self.lanes.len()).find(|&i| self.targets(i) == children);
        if children.is_empty() {
            grow(&mut row, lane);
        } else if let Some(other) = meets {
            self.connect(&mut row, lane, other);
            row[2 * other] = UP | DOWN | LEFT;
            if let Some(open) = &mut self.lanes[other] {
                open.sources += 1;
            }
        } else if self.has_sibling(node) {
            let other = self.free_from(lane + 1);
            self.connect(&mut row, lane, other);
            row[2 * other] = DOWN | LEFT;
            self.open(other, children);
        } else {
            self.open(lane, children);
            grow(&mut row, lane);
        }
        row[2 * lane] = 0;
        self.push(Some((node, 2 * lane)), row);
    }

    /// Whether a node still to come has exactly the same children.
    fn has_sibling(&self, node: usize) -> bool {
        let children = &self.dag.children[node];
        (0..self.drawn.len())
            .any(|i| i != node && !self.drawn[i] && &self.dag.children[i] == children)
    }

    fn open(&mut self, lane: usize, targets: Vec<usize>) {
        let fan = targets.len() > 1;
        self.lanes[lane] = Some(Lane {
            targets,
            sources: 1,
            fan,
        });
    }

    fn free_from(&mut self, start: usize) -> usize {
        let found = (start..self.lanes.len()).find(|&i| self.lanes[i].is_none());
        let lane = found.unwrap_or_else(|| start.max(self.lanes.len()));
        if lane >= self.lanes.len() {
            self.lanes.resize_with(lane + 1, || None);
        }
        lane
    }

    /// A line on which every open lane just goes on.
    fn verticals(&self) -> Vec<u8> {
        let mut row = vec![];
        for (lane, open) in self.lanes.iter().enumerate() {
            if open.is_some() {
                grow(&mut row, lane);
                row[2 * lane] = UP | DOWN;
            }
        }
        row
    }

    /// A horizontal between two lanes; lanes it passes keep their vertical, uncut.
    fn connect(&self, row: &mut Vec<u8>, low: usize, high: usize) {
        grow(row, high);
        for (column, piece) in row.iter_mut().enumerate().take(2 * high).skip(2 * low + 1) {
            let passes = column % 2 == 0 && self.lanes[column / 2].is_some();
            if !passes {
                *piece = LEFT | RIGHT;
            }
        }
    }

    fn push(&mut self, node: Option<(usize, usize)>, mut pieces: Vec<u8>) {
        let needed = node.map_or(0, |(_, column)| column + 1);
        while pieces.len() > needed && pieces.last() == Some(&0) {
            pieces.pop();
        }
        self.lines.push(Line { node, pieces });
    }
}

fn grow(row: &mut Vec<u8>, lane: usize) {
    if row.len() < 2 * lane + 1 {
        row.resize(2 * lane + 1, 0);
    }
}

#[cfg(test)]
mod tests;
