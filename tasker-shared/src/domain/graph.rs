//! The dependency graph of a template, compiled once and shared by its tasks.
//!
//! Compressed sparse rows in both directions: the children of step `i` are one
//! slice, its parents another, and no look-up allocates. Steps are known by
//! their index in the template.
//!
//! Kahn's algorithm validates it and yields the topological order. Everything
//! is linear in steps plus edges: nothing walks paths, which is exponential on
//! stacked diamonds.
//!
//! INVARIANT: a `Graph` is acyclic, without self edges or duplicate edges.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// How many names of a long cycle a message spells out.
const SHOWN_CYCLE_STEPS: usize = 20;

/// Why steps do not form a graph. Every variant names the step at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("two steps are named \"{step}\"; give each step its own name")]
    DuplicateStep { step: String },
    #[error("depends on \"{dependency}\", which is not a step of this template")]
    UnknownDependency { step: String, dependency: String },
    #[error("depends on itself; remove that dependency")]
    SelfEdge { step: String },
    /// In order: each step depends on the one before it, the first on the last.
    #[error(
        "these steps wait for each other in a circle: {}; remove one of these dependencies",
        shown_cycle(steps)
    )]
    Cycle { steps: Vec<String> },
    #[error("{edges} dependencies, more than the {limit} allowed")]
    TooLarge { edges: usize, limit: usize },
}

impl GraphError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DuplicateStep { .. } => "duplicate_step",
            Self::UnknownDependency { .. } => "unknown_dependency",
            Self::SelfEdge { .. } => "self_dependency",
            Self::Cycle { .. } => "cycle",
            Self::TooLarge { .. } => "too_many_dependencies",
        }
    }

    /// The step to look at first; none where the whole graph is at fault.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::DuplicateStep { step }
            | Self::UnknownDependency { step, .. }
            | Self::SelfEdge { step } => Some(step),
            Self::Cycle { steps } => steps.first().map(String::as_str),
            Self::TooLarge { .. } => None,
        }
    }
}

fn shown_cycle(steps: &[String]) -> String {
    let mut text = String::new();
    for step in steps.iter().take(SHOWN_CYCLE_STEPS) {
        let _ = write!(text, "\"{step}\" -> ");
    }
    if steps.len() > SHOWN_CYCLE_STEPS {
        let _ = write!(text, "{} more -> ", steps.len() - SHOWN_CYCLE_STEPS);
    }
    if let Some(first) = steps.first() {
        let _ = write!(text, "\"{first}\"");
    }
    text
}

/// One direction of the edges: row `i` is `items[starts[i]..starts[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Rows {
    /// Groups `edges` by their first end, keeping their order within a row.
    fn group(len: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0_u32; len + 1];
        for (row, _) in edges.clone() {
            starts[row as usize + 1] += 1;
        }
        for row in 0..len {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut items = vec![0_u32; starts[len] as usize];
        for (row, item) in edges {
            let slot = &mut next[row as usize];
            items[*slot as usize] = item;
            *slot += 1;
        }
        Self { starts, items }
    }

    fn row(&self, index: usize) -> &[u32] {
        &self.items[self.starts[index] as usize..self.starts[index + 1] as usize]
    }
}

/// An acyclic graph of steps; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    children: Rows,
    parents: Rows,
    order: Vec<u32>,
}

impl Graph {
    /// More edges than any sensible template has, and what one task may store.
    pub const MAX_EDGES: usize = 100_000;

    /// Compiles steps given as (name, names of its parents), in template order.
    ///
    /// A parent named twice counts once. Returns the first problem found; see
    /// [`Graph::check`] for all of them.
    pub fn build<P: AsRef<str>>(steps: &[(&str, &[P])]) -> Result<Self, GraphError> {
        let (edges, errors) = resolve(steps);
        if let Some(first) = errors.into_iter().next() {
            return Err(first);
        }
        Self::from_edges(steps.len(), &edges).map_err(|cycle| named_cycle(steps, &cycle))
    }

    /// Every problem of `steps`; empty exactly when [`Graph::build`] succeeds.
    ///
    /// Of several cycles one is named: mending it shows the next.
    pub fn check<P: AsRef<str>>(steps: &[(&str, &[P])]) -> Vec<GraphError> {
        let (edges, mut errors) = resolve(steps);
        if let Err(cycle) = Self::from_edges(steps.len(), &edges) {
            errors.push(named_cycle(steps, &cycle));
        }
        errors
    }

    /// Kahn's algorithm. `edges` are (parent, child), distinct. On failure
    /// returns one cycle, each step depending on the one before it.
    fn from_edges(len: usize, edges: &[(u32, u32)]) -> Result<Self, Vec<u32>> {
        let children = Rows::group(len, edges.iter().copied());
        let parents = Rows::group(len, edges.iter().map(|&(parent, child)| (child, parent)));
        let mut unmet: Vec<usize> = (0..len).map(|i| parents.row(i).len()).collect();
        let mut order: Vec<u32> = Vec::with_capacity(len);
        order.extend((0..len).filter(|&i| unmet[i] == 0).map(|i| i as u32));
        let mut done = 0;
        while let Some(&step) = order.get(done) {
            done += 1;
            for &child in children.row(step as usize) {
                unmet[child as usize] -= 1;
                if unmet[child as usize] == 0 {
                    order.push(child);
                }
            }
        }
        if order.len() == len {
            Ok(Self {
                children,
                parents,
                order,
            })
        } else {
            Err(find_cycle(&parents, &unmet))
        }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn edge_count(&self) -> usize {
        self.children.items.len()
    }

    /// Steps that wait for step `index`.
    ///
    /// # Panics
    /// If `index` is not a step of this graph; so do the other look-ups.
    pub fn children(&self, index: usize) -> &[u32] {
        self.children.row(index)
    }

    /// Steps that step `index` waits for.
    pub fn parents(&self, index: usize) -> &[u32] {
        self.parents.row(index)
    }

    pub fn in_degree(&self, index: usize) -> usize {
        self.parents(index).len()
    }

    /// Steps without parents, in template order: those a new task starts with.
    pub fn roots(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len())
            .filter(|&i| self.in_degree(i) == 0)
            .map(|i| i as u32)
    }

    /// An order in which every step comes after its parents.
    pub fn topological_order(&self) -> &[u32] {
        &self.order
    }

    /// For each step its longest distance from a root, in edges.
    pub fn levels(&self) -> Vec<u32> {
        let mut levels = vec![0_u32; self.len()];
        for &step in &self.order {
            let below = levels[step as usize] + 1;
            for &child in self.children(step as usize) {
                let level = &mut levels[child as usize];
                *level = (*level).max(below);
            }
        }
        levels
    }
}

/// Turns names into (parent, child) pairs, collecting what does not resolve.
fn resolve<P: AsRef<str>>(steps: &[(&str, &[P])]) -> (Vec<(u32, u32)>, Vec<GraphError>) {
    let mut errors = Vec::new();
    let mut index = HashMap::with_capacity(steps.len());
    for (i, (name, _)) in steps.iter().enumerate() {
        if index.insert(*name, i as u32).is_some() {
            errors.push(GraphError::DuplicateStep {
                step: (*name).to_owned(),
            });
        }
    }
    let edge_count = steps.iter().map(|(_, parents)| parents.len()).sum();
    if edge_count > Graph::MAX_EDGES {
        errors.push(GraphError::TooLarge {
            edges: edge_count,
            limit: Graph::MAX_EDGES,
        });
        return (Vec::new(), errors);
    }
    let mut edges = Vec::with_capacity(edge_count);
    // Of each step the child that named it last: a parent named twice counts once.
    let mut named_by = vec![u32::MAX; steps.len()];
    let mut unknown = HashSet::new();
    for (child, (name, parents)) in steps.iter().enumerate() {
        let child = child as u32;
        unknown.clear();
        for parent in *parents {
            let parent = parent.as_ref();
            let step = || (*name).to_owned();
            if let Some(&found) = index.get(parent) {
                if std::mem::replace(&mut named_by[found as usize], child) == child {
                    continue;
                }
                if parent == *name {
                    errors.push(GraphError::SelfEdge { step: step() });
                } else {
                    edges.push((found, child));
                }
            } else if unknown.insert(parent) {
                errors.push(GraphError::UnknownDependency {
                    step: step(),
                    dependency: parent.to_owned(),
                });
            }
        }
    }
    (edges, errors)
}

/// Finds a cycle among the steps Kahn's algorithm could not release.
///
/// Each of them has a parent that was not released either, so walking from
/// parent to parent must come back to a step already passed.
fn find_cycle(parents: &Rows, unmet: &[usize]) -> Vec<u32> {
    let Some(start) = unmet.iter().position(|&count| count > 0) else {
        return Vec::new();
    };
    let mut path: Vec<u32> = Vec::new();
    let mut position = vec![usize::MAX; unmet.len()];
    let mut at = start;
    while position[at] == usize::MAX {
        position[at] = path.len();
        path.push(at as u32);
        let stuck = parents.row(at).iter().find(|&&p| unmet[p as usize] > 0);
        match stuck {
            Some(&parent) => at = parent as usize,
            None => break,
        }
    }
    let mut cycle = path.split_off(position[at]);
    cycle.reverse();
    let first = (0..cycle.len()).min_by_key(|&i| cycle[i]).unwrap_or(0);
    cycle.rotate_left(first);
    cycle
}

fn named_cycle<P>(steps: &[(&str, &[P])], cycle: &[u32]) -> GraphError {
    let name = |&step: &u32| steps[step as usize].0.to_owned();
    GraphError::Cycle {
        steps: cycle.iter().map(name).collect(),
    }
}

#[cfg(test)]
mod tests;
