//! Graphs of steps that do nothing, and their templates as YAML.
//!
//! The sizes that users have under `config/tasks/bench` come out the same here, which
//! a test checks; every other size is made when it is asked for.

use std::fmt::Write as _;

/// A template, of namespace `bench` unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) name: String,
    namespace: String,
    description: String,
    handler: &'static str,
    /// Size of each result, for handlers that are told it.
    bytes: Option<usize>,
    /// A step's name and its parents, parents first.
    steps: Vec<(String, Vec<String>)>,
}

pub(crate) const NAMESPACE: &str = "bench";
pub(crate) const VERSION: &str = "1.0.0";

impl Shape {
    /// `step_1 -> step_2 -> ...`.
    pub(crate) fn linear(length: usize) -> Self {
        let parents = |n: usize| (n > 1).then(|| format!("step_{}", n - 1));
        let steps = (1..=length)
            .map(|n| (format!("step_{n}"), parents(n).into_iter().collect()))
            .collect();
        Self::new(format!("linear_{length}"), "Steps one after another", steps)
    }

    /// One root, `width` steps after it, one step after all of them.
    pub(crate) fn fan(width: usize) -> Self {
        let leaves: Vec<String> = (1..=width).map(|n| format!("leaf_{n:04}")).collect();
        let mut steps = vec![("root".to_owned(), vec![])];
        steps.extend(
            leaves
                .iter()
                .map(|leaf| (leaf.clone(), vec!["root".to_owned()])),
        );
        steps.push(("join".to_owned(), leaves));
        Self::new(
            format!("fan_{width}"),
            "One step, many side by side, one step",
            steps,
        )
    }

    /// `layers` layers of `width` steps; each step has `in_degree` parents, spread
    /// over the layer above, so that no part of it can run ahead on its own.
    pub(crate) fn layered(layers: usize, width: usize, in_degree: usize) -> Self {
        let digits = |count: usize| count.to_string().len();
        let (a, b) = (digits(layers), digits(width));
        let name = |layer: usize, n: usize| format!("layer_{layer:0a$}_step_{n:0b$}");
        let offsets = offsets(width, in_degree);
        let mut steps = Vec::with_capacity(layers * width);
        for layer in 1..=layers {
            for n in 1..=width {
                let parents = offsets
                    .iter()
                    .map(|offset| name(layer - 1, (n - 1 + offset) % width + 1));
                let parents = if layer == 1 {
                    vec![]
                } else {
                    parents.collect()
                };
                steps.push((name(layer, n), parents));
            }
        }
        let name = match in_degree {
            3 => format!("layered_{layers}x{width}"),
            _ => format!("layered_{layers}x{width}_by_{in_degree}"),
        };
        Self::new(name, "Layers of steps with several parents each", steps)
    }

    /// So many steps side by side, one step after all of them.
    pub(crate) fn fan_in(width: usize) -> Self {
        let parents: Vec<String> = (1..=width).map(|n| format!("part_{n}")).collect();
        let mut steps: Vec<(String, Vec<String>)> =
            parents.iter().map(|part| (part.clone(), vec![])).collect();
        steps.push(("join".to_owned(), parents));
        Self::new(format!("fan_in_{width}"), "Many steps before one", steps)
    }

    /// One step, then so many diamonds, each on the lowest step of the one before. The
    /// paths through them double with each.
    pub(crate) fn diamonds(count: usize) -> Self {
        let mut steps = vec![("end_0".to_owned(), vec![])];
        for n in 1..=count {
            let sides = [format!("left_{n}"), format!("right_{n}")];
            let above = format!("end_{}", n - 1);
            steps.extend(sides.clone().map(|side| (side, vec![above.clone()])));
            steps.push((format!("end_{n}"), sides.to_vec()));
        }
        Self::new(format!("diamonds_{count}"), "Diamonds stacked", steps)
    }

    /// Four steps: one, two, one.
    pub(crate) fn diamond() -> Self {
        let steps = [
            ("start", &[][..]),
            ("left", &["start"]),
            ("right", &["start"]),
            ("end", &["left", "right"]),
        ];
        Self::of("diamond", "A diamond", &steps)
    }

    /// Seven steps: three chains of two that end in one step.
    pub(crate) fn merge() -> Self {
        let steps = [
            ("fetch_a", &[][..]),
            ("fetch_b", &[]),
            ("fetch_c", &[]),
            ("clean_a", &["fetch_a"]),
            ("clean_b", &["fetch_b"]),
            ("clean_c", &["fetch_c"]),
            ("merge", &["clean_a", "clean_b", "clean_c"]),
        ];
        Self::of("merge_7", "Three chains that merge", &steps)
    }

    /// Eight steps: a binary tree of three levels and one step after its leaves.
    pub(crate) fn tree() -> Self {
        let steps = [
            ("root", &[][..]),
            ("left", &["root"]),
            ("right", &["root"]),
            ("leaf_1", &["left"]),
            ("leaf_2", &["left"]),
            ("leaf_3", &["right"]),
            ("leaf_4", &["right"]),
            ("end", &["leaf_1", "leaf_2", "leaf_3", "leaf_4"]),
        ];
        Self::of("tree_8", "A tree whose leaves meet", &steps)
    }

    fn of(name: &str, description: &str, steps: &[(&str, &[&str])]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let steps = steps
            .iter()
            .map(|(step, parents)| ((*step).to_owned(), owned(parents)))
            .collect();
        Self::new(name.to_owned(), description, steps)
    }

    fn new(name: String, description: &str, steps: Vec<(String, Vec<String>)>) -> Self {
        Self {
            name,
            namespace: NAMESPACE.to_owned(),
            description: description.to_owned(),
            handler: "Bench::Noop",
            bytes: None,
            steps,
        }
    }

    /// The same with handlers that answer the time.
    pub(crate) fn timed(mut self) -> Self {
        self.name.push_str("_timed");
        self.handler = "Bench::Clock";
        self
    }

    /// The same with handlers that answer so many bytes each.
    pub(crate) fn answering(mut self, bytes: usize) -> Self {
        let _ = write!(self.name, "_of_{bytes}_bytes");
        self.handler = "Bench::Payload";
        self.bytes = Some(bytes);
        self
    }

    /// The same in another namespace.
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Number of steps.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The template.
    pub(crate) fn yaml(&self) -> String {
        let Self {
            name,
            namespace,
            description,
            handler,
            bytes,
            steps,
        } = self;
        let config = bytes.map_or_else(String::new, |bytes| {
            format!(", handler_config: {{bytes: {bytes}}}")
        });
        let mut text = format!(
            "name: {name}\nnamespace_name: {namespace}\nversion: {VERSION}\ndescription: {description}\n\
             task_handler_class: Bench::TaskHandler\ndefault_dependent_system: bench\nstep_templates:\n"
        );
        for (step, parents) in steps {
            let parents = match parents.as_slice() {
                [] => String::new(),
                [one] => format!(", depends_on_step: {one}"),
                several => format!(", depends_on_steps: [{}]", several.join(", ")),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  - {{name: {step}, handler_class: \"{handler}\"{config}{parents}}}"
            );
        }
        text
    }
}

/// Distances to the parents: 0, 1, 3, 7, ... while they fit, and then the ones left
/// out, so that neighbours share some parents but not all.
fn offsets(width: usize, in_degree: usize) -> Vec<usize> {
    let mut offsets: Vec<usize> = (0..usize::BITS - 1)
        .map(|n| (1 << n) - 1)
        .take_while(|&offset| offset < width)
        .collect();
    let rest: Vec<usize> = (0..width).filter(|n| !offsets.contains(n)).collect();
    offsets.extend(rest);
    offsets.truncate(in_degree);
    offsets
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tasker_shared::domain::{parse_template, Template};

    use super::*;

    fn parsed(yaml: &str) -> Template {
        parse_template(yaml, "generated", "production")
            .unwrap()
            .template
    }

    fn edges(shape: &Shape) -> usize {
        shape.steps.iter().map(|(_, parents)| parents.len()).sum()
    }

    #[test]
    fn sizes_that_users_have_as_files_have_the_same_steps_here() {
        let shapes = [
            Shape::linear(4),
            Shape::linear(10),
            Shape::fan(100),
            Shape::fan(1000),
            Shape::layered(10, 10, 3),
        ];
        for shape in shapes {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../config/tasks/bench")
                .join(&shape.name)
                .join("1.0.0.yaml");
            let (of_file, made) = (
                parsed(&std::fs::read_to_string(file).unwrap()),
                parsed(&shape.yaml()),
            );
            assert_eq!(of_file.name, made.name);
            assert!(of_file.steps == made.steps, "{}", shape.name);
        }
    }

    #[test]
    fn every_shape_is_a_valid_template_with_all_its_steps() {
        let sizes = [
            (Shape::linear(1), 1, 0),
            (Shape::linear(20), 20, 19),
            (Shape::fan(1), 3, 2),
            (Shape::fan(50), 52, 100),
            (Shape::fan_in(9), 10, 9),
            (Shape::diamonds(3), 10, 12),
            (Shape::diamond(), 4, 4),
            (Shape::merge(), 7, 6),
            (Shape::tree(), 8, 10),
            (Shape::layered(3, 4, 2), 12, 16),
            (Shape::layered(12, 110, 3), 1320, 11 * 110 * 3),
            (Shape::layered(2, 5, 5), 10, 25),
        ];
        for (shape, steps, expected) in sizes {
            assert_eq!(
                (shape.len(), edges(&shape)),
                (steps, expected),
                "{}",
                shape.name
            );
            let graph = parsed(&shape.yaml()).graph().unwrap();
            assert_eq!(graph.len(), steps, "{}", shape.name);
        }
    }

    #[test]
    fn payload_and_namespace_stand_in_the_template() {
        let shape = Shape::linear(2).answering(100).in_namespace("elsewhere");
        let template = parsed(&shape.yaml());
        assert_eq!(template.namespace.as_str(), "elsewhere");
        for step in template.steps {
            assert_eq!(step.handler_class, "Bench::Payload");
            assert_eq!(step.handler_config, Some(serde_json::json!({"bytes": 100})));
        }
    }

    #[test]
    fn no_step_has_more_parents_than_there_are() {
        assert_eq!(offsets(2, 3), [0, 1]);
        assert_eq!(offsets(10, 3), [0, 1, 3]);
        assert_eq!(offsets(4, 4), [0, 1, 3, 2]);
    }
}
