//! Golden drawings of whole tasks.

use tasker_shared::domain::State;
use tasker_shared::wire::{GraphEdge, GraphNode, StepPhase};

use super::super::dag::tests::dag;
use super::*;

/// A running task of waiting steps, from `name: parent parent` entries.
pub(crate) fn graph(entries: &[(&str, &str)]) -> TaskGraph {
    let dag = dag(entries);
    let edges = dag.children.iter().enumerate().flat_map(|(from, list)| {
        list.iter().map(move |&to| GraphEdge {
            from: from as i64,
            to: to as i64,
        })
    });
    TaskGraph {
        task_id: 7,
        name: "order".to_owned(),
        state: State::InProgress,
        nodes: dag
            .nodes
            .iter()
            .enumerate()
            .map(|(id, node)| GraphNode {
                step_id: id as i64,
                name: node.name.clone(),
                state: State::Pending,
                phase: StepPhase::WaitingForParents,
                attempts: 0,
                level: node.level as u32,
            })
            .collect(),
        edges: edges.collect(),
    }
}

fn set(graph: &mut TaskGraph, name: &str, state: State, phase: StepPhase, attempts: i32) {
    let node = graph.nodes.iter_mut().find(|n| n.name == name).unwrap();
    (node.state, node.phase, node.attempts) = (state, phase, attempts);
}

fn frame(width: usize, style: Style) -> Frame {
    Frame {
        width,
        height: None,
        style,
    }
}

fn order() -> TaskGraph {
    let mut order = graph(&[
        ("validate_order", ""),
        ("reserve_stock", "validate_order"),
        ("charge_payment", "validate_order"),
        ("ship", "reserve_stock charge_payment"),
        ("notify", "ship"),
    ]);
    set(
        &mut order,
        "validate_order",
        State::Complete,
        StepPhase::Finished,
        1,
    );
    set(
        &mut order,
        "reserve_stock",
        State::InProgress,
        StepPhase::Running,
        1,
    );
    set(
        &mut order,
        "charge_payment",
        State::Error,
        StepPhase::BackingOff,
        2,
    );
    order
}

#[test]
fn a_task_in_progress() {
    assert_eq!(
        draw_task(&order(), frame(80, Style::PLAIN)),
        "\
order  task 7  in progress
[████░░░░░░░░░░░░░░░░░░░░] 1/5  20 %  1 running, 1 waits for its next attempt, 2 waiting

 ✓      validate_order  complete
 ├─●─╮  reserve_stock   running
 ╰─↻─┤  charge_payment  waits for its next attempt  attempt 2
 ╭───╯
 ·      ship            waiting
 ·      notify          waiting
"
    );
}

#[test]
fn the_same_in_seven_bits() {
    let text = draw_task(&order(), frame(60, Style::ASCII));
    assert!(text.is_ascii());
    assert!(text.contains(" +->-+  reserve_stock   running\n"), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [40, 60, 80, 120] {
        for line in draw_task(&order(), frame(width, Style::PLAIN))
            .lines()
            .skip(2)
        {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let style = Style {
        color: true,
        unicode: true,
    };
    let colored = draw_task(&order(), frame(80, style));
    assert!(colored.contains("\x1b[36mrunning\x1b[0m"));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some(start) = rest.find('\x1b') {
        plain.push_str(&rest[..start]);
        rest = &rest[start + rest[start..].find('m').unwrap() + 1..];
    }
    plain.push_str(rest);
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    let expected = draw_task(&order(), frame(80, Style::PLAIN));
    assert_eq!(trimmed, expected.lines().collect::<Vec<_>>());
}

fn fan(count: usize) -> TaskGraph {
    let names: Vec<String> = (0..count).map(|i| format!("work_{i:04}")).collect();
    let parents = names.join(" ");
    let mut entries: Vec<(&str, &str)> = vec![("start", "")];
    entries.extend(names.iter().map(|n| (n.as_str(), "start")));
    entries.push(("join", &parents));
    graph(&entries)
}

#[test]
fn a_large_task_is_drawn_by_level() {
    let mut task = fan(1000);
    set(&mut task, "start", State::Complete, StepPhase::Finished, 1);
    for node in &mut task.nodes[1..735] {
        (node.state, node.phase) = (State::Complete, StepPhase::Finished);
    }
    task.nodes[735].phase = StepPhase::Running;
    (task.nodes[736].state, task.nodes[736].phase) = (State::Error, StepPhase::Finished);
    for node in &mut task.nodes[737..1001] {
        node.phase = StepPhase::Enqueued;
    }
    let text = draw_task(&task, frame(80, Style::ASCII));
    assert_eq!(
        text.lines().skip(3).collect::<Vec<_>>(),
        [
            " level 0  start      1/1     ##########",
            " level 1  work_*   734/1000  #######...  1 running, 264 enqueued, 1 failed",
            " level 2  join       0/1     ..........  1 waiting",
        ]
    );
}

#[test]
fn a_long_chain_shares_lines() {
    let names: Vec<String> = (0..150).map(|i| format!("step_{i}")).collect();
    let entries: Vec<(&str, &str)> = (0..150)
        .map(|i| {
            (
                names[i].as_str(),
                if i == 0 { "" } else { names[i - 1].as_str() },
            )
        })
        .collect();
    let text = draw_dag(
        &dag(&entries),
        Frame {
            width: 80,
            height: Some(10),
            style: Style::ASCII,
        },
    );
    assert_eq!(text.lines().count(), 10);
    assert!(text.starts_with(" levels 0-14     step_*   0/15"), "{text}");
}

#[test]
fn a_graph_with_too_many_lanes_becomes_a_list() {
    let mut entries: Vec<(String, String)> =
        (0..12).map(|i| (format!("a{i}"), String::new())).collect();
    entries.extend((0..12).map(|i| {
        (
            format!("b{i}"),
            format!("a{i} a{} a{}", (i + 3) % 12, (i + 7) % 12),
        )
    }));
    let entries: Vec<(&str, &str)> = entries
        .iter()
        .map(|e| (e.0.as_str(), e.1.as_str()))
        .collect();
    let text = draw_dag(&dag(&entries), frame(40, Style::ASCII));
    assert!(
        text.contains(" .  b11  waiting  after a2, a6, a11\n"),
        "{text}"
    );
}
