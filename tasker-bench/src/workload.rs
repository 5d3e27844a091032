//! What is run: tasks of one shape or of several in turn.

use crate::cli::{FanArgs, LayeredArgs, LinearArgs, MixedArgs};
use crate::shape::Shape;

/// Tasks to run.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) command: &'static str,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) tasks: usize,
    /// Tasks under way at once.
    pub(crate) in_flight: usize,
}

impl Workload {
    pub(crate) fn new(
        command: &'static str,
        shapes: Vec<Shape>,
        tasks: usize,
        in_flight: usize,
    ) -> Self {
        Self {
            command,
            shapes,
            tasks: tasks.max(1),
            in_flight: in_flight.max(1),
        }
    }

    /// Steps of the first `tasks` tasks.
    pub(crate) fn steps(&self, tasks: usize) -> usize {
        (0..tasks)
            .map(|n| self.shapes[n % self.shapes.len()].len())
            .sum()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.shapes
            .iter()
            .map(|shape| shape.name.as_str())
            .collect()
    }

    /// Tasks of about `steps` steps, each shape at least once.
    pub(crate) fn warm_up_tasks(&self, steps: usize) -> usize {
        let of_all = self.steps(self.shapes.len());
        (steps / of_all).max(1) * self.shapes.len()
    }
}

impl From<LinearArgs> for Workload {
    fn from(args: LinearArgs) -> Self {
        Self::new(
            "linear",
            vec![Shape::linear(args.length.max(1))],
            args.tasks,
            args.in_flight,
        )
    }
}

impl From<FanArgs> for Workload {
    fn from(args: FanArgs) -> Self {
        Self::new(
            "fan",
            vec![Shape::fan(args.width.max(1))],
            args.tasks,
            args.in_flight,
        )
    }
}

impl From<MixedArgs> for Workload {
    fn from(args: MixedArgs) -> Self {
        Self::new(
            "mixed",
            vec![Shape::diamond(), Shape::merge(), Shape::tree()],
            args.tasks,
            args.in_flight,
        )
    }
}

impl From<LayeredArgs> for Workload {
    fn from(args: LayeredArgs) -> Self {
        let shape = Shape::layered(args.layers.max(1), args.width.max(1), args.in_degree.max(1));
        Self::new("layered", vec![shape], args.tasks, args.in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_over_the_shapes_in_turn() {
        let mixed = Workload::from(MixedArgs {
            tasks: 5,
            in_flight: 1,
        });
        assert_eq!(mixed.steps(5), 4 + 7 + 8 + 4 + 7);
    }

    #[test]
    fn a_warm_up_runs_every_shape() {
        let mixed = Workload::from(MixedArgs::default());
        assert_eq!(mixed.warm_up_tasks(1), 3);
        assert_eq!(mixed.warm_up_tasks(40), 6);
        let fan = Workload::from(FanArgs::default());
        assert_eq!(fan.warm_up_tasks(500), 1);
    }
}
