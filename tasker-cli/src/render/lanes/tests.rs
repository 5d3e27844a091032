//! Golden drawings of the shapes that workflows have.

use super::super::dag::tests::dag;
use super::*;

fn text(graph: &[(&str, &str)], unicode: bool) -> String {
    let dag = dag(graph);
    let mut text = String::new();
    for line in lanes(&dag, 20).expect("few lanes") {
        let mut row = String::new();
        for column in 0..line.width() {
            match line.node {
                Some((_, at)) if at == column => row.push('o'),
                _ => row.push(line.piece(column, unicode)),
            }
        }
        if let Some((node, _)) = line.node {
            row = format!("{row:<10}{}", dag.nodes[node].name);
        }
        text.push('\n');
        text.push_str(row.trim_end());
    }
    text
}

#[test]
fn a_chain_is_a_column() {
    assert_eq!(
        text(&[("a", ""), ("b", "a"), ("c", "b")], true),
        "
o         a
o         b
o         c"
    );
}

#[test]
fn a_diamond_opens_and_closes() {
    assert_eq!(
        text(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "b c")], true),
        "
o         a
├─o─╮     b
╰─o─┤     c
╭───╯
o         d"
    );
}

#[test]
fn a_fan_of_any_width_needs_three_lanes() {
    let graph = [
        ("r", ""),
        ("w1", "r"),
        ("w2", "r"),
        ("w3", "r"),
        ("j", "w1 w2 w3"),
        ("end", "j"),
    ];
    assert_eq!(
        text(&graph, true),
        "
o         r
├─o─╮     w1
├─o─┤     w2
╰─o─┤     w3
╭───╯
o         j
o         end"
    );
    assert_eq!(
        text(&graph, false),
        "
o         r
+-o-+     w1
+-o-+     w2
+-o-+     w3
+---+
o         j
o         end"
    );
}

#[test]
fn parallel_chains_stay_apart_until_they_join() {
    let graph = [
        ("r", ""),
        ("a", "r"),
        ("a2", "a"),
        ("b", "r"),
        ("b2", "b"),
        ("j", "a2 b2"),
    ];
    assert_eq!(
        text(&graph, true),
        "
o         r
├─o       a
│ o─╮     a2
╰─o │     b
  o─┤     b2
╭───╯
o         j"
    );
}

#[test]
fn leaves_of_one_parent_do_not_look_like_a_chain() {
    let fan = text(&[("a", ""), ("b", "a"), ("c", "a")], true);
    assert_eq!(
        fan,
        "
o         a
├─o       b
╰─o       c"
    );
    let triangle = text(&[("a", ""), ("b", "a"), ("c", "a b")], true);
    assert_eq!(
        triangle,
        "
o         a
├─o       b
├─╯
o         c"
    );
}

#[test]
fn separate_graphs_are_set_apart() {
    assert_eq!(
        text(&[("a", ""), ("b", "a"), ("c", "")], true),
        "
o         a
o         b

o         c"
    );
}

#[test]
fn several_roots_meet_in_their_join() {
    assert_eq!(
        text(&[("a", ""), ("b", ""), ("c", "a b")], true),
        "
o─╮       a
o─┤       b
╭─╯
o         c"
    );
}

#[test]
fn a_mixed_graph_keeps_every_edge() {
    let graph = [
        ("init", ""),
        ("left", "init"),
        ("right", "init"),
        ("validate", "left right"),
        ("transform", "left"),
        ("analyse", "right"),
        ("final", "validate transform analyse"),
    ];
    assert_eq!(
        text(&graph, true),
        "
o         init
├─o       left
│ ├─o─╮   transform
╰─│─o │   right
╭─┴─┤ │
o───│─┤   validate
    ╰─│─o analyse
╭─────┴─╯
o         final"
    );
}

#[test]
fn full_layers_do_not_drift_to_the_right() {
    let graph = [
        ("a", ""),
        ("b", ""),
        ("c", "a b"),
        ("d", "a b"),
        ("e", "c d"),
        ("f", "c d"),
    ];
    assert_eq!(
        text(&graph, true),
        "
o─╮       a
o─┤       b
╭─╯
├─o─╮     c
╰─o─┤     d
╭───╯
├─o       e
╰─o       f"
    );
}

#[test]
fn too_many_lanes_are_refused() {
    let graph = [("a", ""), ("b", "a"), ("c", "a"), ("d", "b c")];
    assert!(lanes(&dag(&graph), 2).is_none());
}

/// The children of `node` as a reader finds them: lanes are followed down from its glyph.
fn read_children(lines: &[Line], start: usize) -> Vec<usize> {
    let bits = |line: &Line, lane: usize| line.pieces.get(2 * lane).copied().unwrap_or(0);
    let gap = |line: &Line, column: usize| line.pieces.get(column).copied().unwrap_or(0) != 0;
    let own = lines[start].node.unwrap().1 / 2;
    let mut open: Vec<usize> = vec![own];
    if gap(&lines[start], 2 * own + 1) {
        let end = (own + 1..99)
            .find(|&l| bits(&lines[start], l) & LEFT != 0 && bits(&lines[start], l) & RIGHT == 0);
        open = vec![end.unwrap()];
    }
    let mut found = vec![];
    for (index, line) in lines.iter().enumerate().skip(start + 1) {
        let mut next = vec![];
        // A piece that does not lead up is not below what was followed so far.
        open.retain(|&l| line.node.is_some_and(|(_, c)| c == 2 * l) || bits(line, l) & UP != 0);
        if let Some((node, column)) = line.node {
            let at = column / 2;
            let from = if column > 0 && gap(line, column - 1) {
                (0..at)
                    .rev()
                    .find(|&l| bits(line, l) & RIGHT != 0 && bits(line, l) & UP != 0)
                    .unwrap()
            } else {
                at
            };
            if open.contains(&from) {
                found.push(node);
            }
            next.extend(
                open.iter()
                    .copied()
                    .filter(|&l| l != at && bits(line, l) & DOWN != 0),
            );
        } else {
            let run: Vec<usize> = (0..=line.width() / 2)
                .filter(|&l| bits(line, l) & (LEFT | RIGHT) != 0)
                .collect();
            let below = &lines[index + 1];
            let hangs = below.node.map(|(_, c)| c / 2).filter(|&l| {
                run.contains(&l) && bits(line, l) & DOWN != 0 && (l == 0 || !gap(below, 2 * l - 1))
            });
            for &lane in &open {
                let to = hangs.or(run.first().copied());
                match to {
                    Some(to) if bits(line, lane) & (LEFT | RIGHT) != 0 => {
                        next.push(to);
                        next.extend((bits(line, lane) & DOWN != 0 && lane != to).then_some(lane));
                    }
                    _ if bits(line, lane) & DOWN != 0 => next.push(lane),
                    _ => {}
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        open = next;
    }
    found.sort_unstable();
    found
}

#[test]
fn a_reader_finds_exactly_the_edges_of_random_graphs() {
    let mut seed = 1_u64;
    let mut random = move |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..2000 {
        let count = 1 + random(9);
        let names: Vec<String> = (0..count).map(|i| format!("n{i}")).collect();
        let parents: Vec<String> = (0..count)
            .map(|i| {
                let some: Vec<&str> = names[..i]
                    .iter()
                    .filter(|_| random(3) == 0)
                    .map(String::as_str)
                    .collect();
                some.join(" ")
            })
            .collect();
        let entries: Vec<(&str, &str)> = names
            .iter()
            .zip(&parents)
            .map(|(n, p)| (n.as_str(), p.as_str()))
            .collect();
        let dag = dag(&entries);
        let lines = lanes(&dag, 99).unwrap();
        for (index, line) in lines.iter().enumerate() {
            if let Some((node, _)) = line.node {
                let read = read_children(&lines, index);
                assert_eq!(
                    read,
                    dag.children[node],
                    "{} of {}",
                    names[node],
                    text(&entries, true)
                );
            }
        }
    }
}
