//! The graph to draw, whether it comes from a running task or from a template.
//!
//! INVARIANT: `parents` and `children` mirror each other, are sorted, and only
//! name nodes that exist; an edge to an unknown step is dropped on the way in.

use std::collections::HashMap;

use tasker_shared::domain::Template;
use tasker_shared::wire::TaskGraph;

use super::mark::Mark;

/// A step to draw.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Absent for the step of a template, which has no state.
    pub(crate) mark: Option<Mark>,
    /// What stands behind the mark: attempts, or the handler's class.
    pub(crate) note: String,
    /// Longest distance from a node without parents.
    pub(crate) level: usize,
}

/// Nodes and edges by index.
#[derive(Debug, Clone)]
pub(crate) struct Dag {
    pub(crate) nodes: Vec<Node>,
    pub(crate) parents: Vec<Vec<usize>>,
    pub(crate) children: Vec<Vec<usize>>,
}

impl Dag {
    /// `edges` are (parent, child). Levels are computed here: they are a property
    /// of the graph, not something to be told.
    pub(crate) fn new(nodes: Vec<Node>, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let count = nodes.len();
        let mut dag = Self {
            nodes,
            parents: vec![vec![]; count],
            children: vec![vec![]; count],
        };
        for (from, to) in edges {
            if from < count && to < count && from != to {
                dag.children[from].push(to);
                dag.parents[to].push(from);
            }
        }
        for list in dag.parents.iter_mut().chain(&mut dag.children) {
            list.sort_unstable();
            list.dedup();
        }
        for index in dag.order() {
            let above = dag.parents[index]
                .iter()
                .map(|&p| dag.nodes[p].level + 1)
                .max();
            dag.nodes[index].level = above.unwrap_or(0);
        }
        dag
    }

    pub(crate) fn of_task(graph: &TaskGraph) -> Self {
        let index: HashMap<i64, usize> = graph
            .nodes
            .iter()
            .enumerate()
            .map(|(i, n)| (n.step_id, i))
            .collect();
        let nodes = graph.nodes.iter().map(|n| Node {
            name: n.name.clone(),
            mark: Some(Mark::of(n.state, n.phase)),
            note: if n.attempts > 1 {
                format!("attempt {}", n.attempts)
            } else {
                String::new()
            },
            level: 0,
        });
        let edges = graph
            .edges
            .iter()
            .filter_map(|e| Some((*index.get(&e.from)?, *index.get(&e.to)?)));
        Self::new(nodes.collect(), edges)
    }

    pub(crate) fn of_template(template: &Template) -> Self {
        let steps = &template.steps;
        let index: HashMap<&str, usize> = steps
            .iter()
            .enumerate()
            .map(|(i, s)| (s.name.as_ref(), i))
            .collect();
        let nodes = steps.iter().map(|s| Node {
            name: s.name.to_string(),
            mark: None,
            note: s.handler_class.clone(),
            level: 0,
        });
        let edges = steps.iter().enumerate().flat_map(|(to, step)| {
            let index = &index;
            step.depends_on
                .iter()
                .filter_map(move |p| Some((*index.get(p.as_ref())?, to)))
        });
        Self::new(nodes.collect(), edges)
    }

    /// Parents before children, and a branch to its end before the next one starts:
    /// the order in which the fewest lines run side by side. Nodes of a cycle,
    /// which a registered template can not have, are left out.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut unmet: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let mut stack: Vec<usize> = (0..self.nodes.len())
            .rev()
            .filter(|&i| unmet[i] == 0)
            .collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(index) = stack.pop() {
            order.push(index);
            for &child in self.children[index].iter().rev() {
                unmet[child] -= 1;
                if unmet[child] == 0 {
                    stack.push(child);
                }
            }
        }
        order
    }

    /// Nodes by level, each level in the given order of nodes.
    pub(crate) fn levels(&self) -> Vec<Vec<usize>> {
        let count = self.nodes.iter().map(|n| n.level + 1).max().unwrap_or(0);
        let mut levels = vec![vec![]; count];
        for (index, node) in self.nodes.iter().enumerate() {
            levels[node.level].push(index);
        }
        levels
    }

    /// How many nodes carry each mark, in the order of [`Mark::ALL`], without zeros.
    pub(crate) fn counts(&self, among: &[usize]) -> Vec<(Mark, usize)> {
        Mark::ALL
            .into_iter()
            .map(|mark| {
                (
                    mark,
                    among
                        .iter()
                        .filter(|&&i| self.nodes[i].mark == Some(mark))
                        .count(),
                )
            })
            .filter(|&(_, count)| count > 0)
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A graph of waiting steps from `name: parent parent` entries.
    pub(crate) fn dag(text: &[(&str, &str)]) -> Dag {
        let index: HashMap<&str, usize> = text.iter().enumerate().map(|(i, e)| (e.0, i)).collect();
        let nodes = text.iter().map(|(name, _)| Node {
            name: (*name).to_owned(),
            mark: Some(Mark::Waiting),
            note: String::new(),
            level: 0,
        });
        let edges = text
            .iter()
            .enumerate()
            .flat_map(|(to, e)| e.1.split_whitespace().map(move |p| (p, to)))
            .map(|(p, to)| (index[p], to));
        Dag::new(nodes.collect(), edges.collect::<Vec<_>>())
    }

    #[test]
    fn a_branch_is_listed_to_its_end_before_the_next() {
        let dag = dag(&[
            ("r", ""),
            ("a1", "r"),
            ("b1", "r"),
            ("a2", "a1"),
            ("b2", "b1"),
            ("j", "a2 b2"),
        ]);
        let names: Vec<&str> = dag
            .order()
            .into_iter()
            .map(|i| dag.nodes[i].name.as_str())
            .collect();
        assert_eq!(names, ["r", "a1", "a2", "b1", "b2", "j"]);
    }

    #[test]
    fn levels_are_longest_distances() {
        let dag = dag(&[("a", ""), ("b", "a"), ("c", "a b"), ("d", "")]);
        assert_eq!(dag.levels(), [vec![0, 3], vec![1], vec![2]]);
    }
}
