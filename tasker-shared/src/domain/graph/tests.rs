//! What the graph promises, on named shapes and on random graphs.

use proptest::prelude::*;

use super::{Graph, GraphError};

type Steps = Vec<(String, Vec<String>)>;

fn borrowed(steps: &Steps) -> Vec<(&str, &[String])> {
    steps
        .iter()
        .map(|(n, p)| (n.as_str(), p.as_slice()))
        .collect()
}

fn build(steps: &Steps) -> Result<Graph, GraphError> {
    Graph::build(&borrowed(steps))
}

fn steps(list: &[(&str, &[&str])]) -> Steps {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    list.iter()
        .map(|(n, p)| ((*n).to_owned(), owned(p)))
        .collect()
}

fn from_pairs(len: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Steps {
    let mut steps: Steps = (0..len).map(|i| (format!("s{i}"), Vec::new())).collect();
    for (parent, child) in pairs {
        steps[child].1.push(format!("s{parent}"));
    }
    steps
}

#[test]
fn a_diamond_has_one_root_three_levels_and_a_gate() {
    let graph = build(&steps(&[
        ("a", &[]),
        ("b", &["a"]),
        ("c", &["a"]),
        ("d", &["b", "c", "b"]),
    ]))
    .unwrap();
    assert_eq!(graph.roots().collect::<Vec<_>>(), [0]);
    assert_eq!(graph.children(0), [1, 2]);
    assert_eq!(graph.parents(3), [1, 2]);
    assert_eq!(
        (graph.in_degree(3), graph.edge_count(), graph.len()),
        (2, 4, 4)
    );
    assert_eq!(graph.levels(), [0, 1, 1, 2]);
    assert_eq!(graph.topological_order(), [0, 1, 2, 3]);
}

#[test]
fn no_steps_are_an_empty_graph() {
    let graph = build(&Vec::new()).unwrap();
    assert!(graph.is_empty() && graph.levels().is_empty());
}

#[test]
fn a_cycle_is_named_in_order_without_the_steps_that_hang_off_it() {
    let error = build(&steps(&[
        ("root", &[]),
        ("tail", &["c"]),
        ("a", &["root", "c"]),
        ("b", &["a"]),
        ("c", &["b"]),
    ]))
    .unwrap_err();
    assert_eq!(
        error,
        GraphError::Cycle {
            steps: vec!["a".into(), "b".into(), "c".into()]
        }
    );
    assert!(
        error
            .to_string()
            .contains("\"a\" -> \"b\" -> \"c\" -> \"a\""),
        "{error}"
    );
    assert_eq!((error.code(), error.step()), ("cycle", Some("a")));
}

#[test]
fn every_problem_is_reported_at_once() {
    let all = steps(&[
        ("a", &["a"]),
        ("b", &["nowhere"]),
        ("b", &[]),
        ("c", &["d"]),
        ("d", &["c"]),
    ]);
    let codes: Vec<_> = Graph::check(&borrowed(&all))
        .iter()
        .map(GraphError::code)
        .collect();
    assert_eq!(
        codes,
        [
            "duplicate_step",
            "self_dependency",
            "unknown_dependency",
            "cycle"
        ]
    );
    assert_eq!(build(&all).unwrap_err().code(), "duplicate_step");
}

#[test]
fn a_long_cycle_is_cut_in_the_message_but_not_in_the_error() {
    let len = 5_000;
    let ring = from_pairs(len, (0..len).map(|i| (i, (i + 1) % len)));
    let error = build(&ring).unwrap_err();
    assert!(error.to_string().len() < 500);
    assert!(matches!(error, GraphError::Cycle { steps } if steps.len() == len));
}

#[test]
fn stacked_diamonds_cost_what_their_edges_cost() {
    let pairs = (0..20).flat_map(|k| {
        let top = 3 * k;
        [
            (top, top + 1),
            (top, top + 2),
            (top + 1, top + 3),
            (top + 2, top + 3),
        ]
    });
    let graph = build(&from_pairs(61, pairs)).unwrap();
    assert_eq!(graph.levels()[60], 40);
}

#[test]
fn a_fan_of_ten_thousand_steps_joins_again() {
    let pairs = (1..=10_000).flat_map(|i| [(0, i), (i, 10_001)]);
    let graph = build(&from_pairs(10_002, pairs)).unwrap();
    assert_eq!(
        (graph.children(0).len(), graph.in_degree(10_001)),
        (10_000, 10_000)
    );
    assert_eq!(graph.levels()[10_001], 2);
}

#[test]
fn more_edges_than_allowed_are_refused() {
    let pairs = (0..400).flat_map(|p| (400..700).map(move |c| (p, c)));
    let error = build(&from_pairs(700, pairs)).unwrap_err();
    assert_eq!(
        error,
        GraphError::TooLarge {
            edges: 120_000,
            limit: 100_000
        }
    );
}

/// A random acyclic graph: edges run from lower to higher rank, and a random
/// permutation of the ranks hides that from the order of the steps.
fn random_dag() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
    (2_usize..60).prop_flat_map(|len| {
        let ranks = Just((0..len).collect::<Vec<_>>()).prop_shuffle();
        let pairs = prop::collection::vec((0..len, 0..len), 0..3 * len);
        (Just(len), ranks, pairs).prop_map(|(len, ranks, pairs)| {
            let downhill = pairs.into_iter().filter(|(a, b)| a != b);
            let edges = downhill.map(|(a, b)| if ranks[a] < ranks[b] { (a, b) } else { (b, a) });
            (len, edges.collect())
        })
    })
}

proptest! {
    #[test]
    fn order_and_levels_respect_every_edge((len, pairs) in random_dag()) {
        let graph = build(&from_pairs(len, pairs.iter().copied())).unwrap();
        let mut position = vec![usize::MAX; len];
        for (i, &step) in graph.topological_order().iter().enumerate() {
            position[step as usize] = i;
        }
        prop_assert!(position.iter().all(|&p| p < len));
        let levels = graph.levels();
        for &(parent, child) in &pairs {
            prop_assert!(position[parent] < position[child]);
            prop_assert!(levels[parent] < levels[child]);
            prop_assert!(graph.children(parent).contains(&(child as u32)));
            prop_assert!(graph.parents(child).contains(&(parent as u32)));
        }
        for step in 0..len {
            let longest = graph.parents(step).iter().map(|&p| levels[p as usize] + 1).max();
            prop_assert_eq!(levels[step], longest.unwrap_or(0));
        }
        let distinct: std::collections::HashSet<_> = pairs.iter().collect();
        prop_assert_eq!(graph.edge_count(), distinct.len());
    }

    #[test]
    fn an_edge_back_to_an_ancestor_is_named_as_a_cycle((len, pairs) in random_dag(), pick in any::<prop::sample::Index>()) {
        prop_assume!(!pairs.is_empty());
        let (parent, child) = *pick.get(&pairs);
        let mut with_back_edge = pairs.clone();
        with_back_edge.push((child, parent));
        let all = from_pairs(len, with_back_edge.iter().copied());
        let Err(GraphError::Cycle { steps }) = build(&all) else {
            return Err(TestCaseError::fail("the cycle was not found"));
        };
        let index = |name: &str| name[1..].parse::<usize>().unwrap();
        for (i, name) in steps.iter().enumerate() {
            let edge = (index(name), index(&steps[(i + 1) % steps.len()]));
            prop_assert!(with_back_edge.contains(&edge), "{edge:?} is no edge");
        }
    }
}
