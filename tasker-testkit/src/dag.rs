//! Random graphs of steps, for property tests and seeded runs.
//!
//! A step's parents are drawn among the steps before it, so every graph is acyclic;
//! the list is then shuffled, so that no test passes because steps happen to be
//! listed in the order they run in. Failing graphs shrink to few steps and edges.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Steps by name, each with the names of the steps it depends on.
pub type Dag = Vec<(String, Vec<String>)>;

/// Acyclic graphs of so many steps, each with at most `max_parents` parents.
pub fn dags(steps: RangeInclusive<usize>, max_parents: usize) -> impl Strategy<Value = Dag> {
    vec(vec(any::<Index>(), 0..=max_parents), steps)
        .prop_map(|choices| choices.iter().enumerate().map(step).collect::<Dag>())
        .prop_shuffle()
}

fn step((position, choices): (usize, &Vec<Index>)) -> (String, Vec<String>) {
    let mut parents: Vec<usize> = match position {
        0 => Vec::new(),
        _ => choices
            .iter()
            .map(|choice| choice.index(position))
            .collect(),
    };
    parents.sort_unstable();
    parents.dedup();
    (name(position), parents.into_iter().map(name).collect())
}

fn name(position: usize) -> String {
    format!("step_{position:03}")
}

/// One graph of exactly `steps` steps, the same for the same arguments.
pub fn seeded_dag(seed: u64, steps: usize, max_parents: usize) -> Dag {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    match dags(steps..=steps, max_parents).new_tree(&mut runner) {
        Ok(tree) => tree.current(),
        Err(reason) => unreachable!("this strategy rejects nothing: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Kahn's algorithm, by rounds.
    fn runs_to_its_end(dag: &Dag) -> bool {
        let mut done = BTreeSet::new();
        loop {
            let before = done.len();
            for (name, parents) in dag {
                if parents.iter().all(|parent| done.contains(parent)) {
                    done.insert(name.clone());
                }
            }
            if done.len() == dag.len() || done.len() == before {
                return done.len() == dag.len();
            }
        }
    }

    proptest! {
        #[test]
        fn every_graph_can_run_to_its_end(dag in dags(1..=30, 4)) {
            prop_assert!(runs_to_its_end(&dag));
            prop_assert!(dag.iter().all(|(_, parents)| parents.len() <= 4));
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_graph() {
        assert_eq!(seeded_dag(7, 40, 3), seeded_dag(7, 40, 3));
        assert_ne!(seeded_dag(7, 40, 3), seeded_dag(8, 40, 3));
        assert_eq!(seeded_dag(7, 40, 3).len(), 40);
    }
}
