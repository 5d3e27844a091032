//! Progress where nothing can be redrawn: one line per change.

use std::collections::HashMap;

use tasker_shared::wire::{GraphNode, TaskGraph};

use super::dag::Dag;
use super::draw::MOST_STEPS;
use super::mark::{state_word, Mark};

/// Lines for what differs from `before`; everything that is not waiting when there
/// is no `before`. A large task gets one line with counts instead.
pub(crate) fn changes(before: Option<&TaskGraph>, after: &TaskGraph) -> Vec<String> {
    let mut lines = if after.nodes.len() > MOST_STEPS {
        summary(before, after)
    } else {
        steps(before, after)
    };
    if before.is_none_or(|b| b.state != after.state) {
        lines.push(format!(
            "task {}  {}",
            after.task_id,
            state_word(after.state)
        ));
    }
    lines
}

fn steps(before: Option<&TaskGraph>, after: &TaskGraph) -> Vec<String> {
    let known: HashMap<i64, (Mark, i32)> = before
        .iter()
        .flat_map(|b| &b.nodes)
        .map(|n| (n.step_id, standing(n)))
        .collect();
    let names = after.nodes.iter().map(|n| n.name.len()).max().unwrap_or(0);
    let mut lines = vec![];
    for node in &after.nodes {
        let (mark, attempts) = standing(node);
        let old = known
            .get(&node.step_id)
            .copied()
            .unwrap_or((Mark::Waiting, attempts));
        if old == (mark, attempts) {
            continue;
        }
        let attempt = if attempts > 1 {
            format!("  attempt {attempts}")
        } else {
            String::new()
        };
        lines.push(format!(
            "step {:<names$}  {}{attempt}",
            node.name,
            mark.word()
        ));
    }
    lines
}

fn standing(node: &GraphNode) -> (Mark, i32) {
    (Mark::of(node.state, node.phase), node.attempts)
}

fn summary(before: Option<&TaskGraph>, after: &TaskGraph) -> Vec<String> {
    let counts = |graph: &TaskGraph| {
        let dag = Dag::of_task(graph);
        dag.counts(&(0..dag.nodes.len()).collect::<Vec<_>>())
    };
    let now = counts(after);
    if before.is_some_and(|b| counts(b) == now) {
        return vec![];
    }
    let parts: Vec<String> = now
        .iter()
        .map(|(mark, n)| format!("{n} {}", mark.word()))
        .collect();
    vec![format!("{} steps: {}", after.nodes.len(), parts.join(", "))]
}

#[cfg(test)]
mod tests {
    use tasker_shared::domain::State;
    use tasker_shared::wire::StepPhase;

    use super::super::draw::tests::graph;
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let mut before = graph(&[("a", ""), ("b", "a")]);
        before.nodes[0].phase = StepPhase::Running;
        assert_eq!(
            changes(None, &before),
            ["step a  running", "task 7  in progress"]
        );
        let mut after = before.clone();
        (after.nodes[0].state, after.nodes[0].phase) = (State::Complete, StepPhase::Finished);
        (after.nodes[1].phase, after.nodes[1].attempts) = (StepPhase::Running, 2);
        after.state = State::Complete;
        assert_eq!(
            changes(Some(&before), &after),
            [
                "step a  complete",
                "step b  running  attempt 2",
                "task 7  complete"
            ]
        );
        assert!(changes(Some(&after), &after).is_empty());
    }

    #[test]
    fn a_large_task_is_told_in_counts() {
        let names: Vec<String> = (0..100).map(|i| format!("w{i}")).collect();
        let entries: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "")).collect();
        let before = graph(&entries);
        let mut after = before.clone();
        for node in &mut after.nodes[..30] {
            (node.state, node.phase) = (State::Complete, StepPhase::Finished);
        }
        assert_eq!(
            changes(Some(&before), &after),
            ["100 steps: 30 complete, 70 waiting"]
        );
    }
}
