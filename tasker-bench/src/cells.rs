//! What `all` runs, in order. Loads are of a size that takes some seconds each on the
//! machine that the targets are for.

use crate::cli::{
    AnchorArgs, FanArgs, LayeredArgs, LinearArgs, LoneArgs, MixedArgs, Mode, ReadinessArgs,
};
use anyhow::Result;

use crate::experiments::Experiment;
use crate::record::Record;
use crate::stage::Stage;
use crate::workload::Workload;
use crate::{anchor, lone, readiness, run};

/// One measurement of `all`.
pub(crate) enum Cell {
    Anchor,
    Load(Workload, Mode),
    Lone(Mode),
    Readiness,
    Experiment(Experiment),
}

impl Cell {
    /// What `--only` and `--skip` look at, such as `queued/linear_20/500`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Anchor => "anchor".to_owned(),
            Self::Load(load, mode) => format!(
                "{}/{}/{}/{}",
                mode.name(),
                load.command,
                load.names().join("+"),
                load.in_flight
            ),
            Self::Lone(mode) => format!("{}/lone", mode.name()),
            Self::Readiness => "readiness".to_owned(),
            Self::Experiment(experiment) => experiment.name().to_owned(),
        }
    }

    /// What takes minutes compares its figures with each other already, and those of idle
    /// services do not depend on commits.
    pub(crate) fn may_repeat(&self) -> bool {
        !matches!(
            self,
            Self::Experiment(
                Experiment::History(_)
                    | Experiment::IdleTransaction(_)
                    | Experiment::Idle(_)
                    | Experiment::Memory(_)
            )
        )
    }

    pub(crate) async fn run(&self, stage: &mut Stage) -> Result<Vec<Record>> {
        Ok(match self {
            Self::Anchor => vec![anchor::run(stage, &AnchorArgs::default()).await?],
            Self::Load(load, mode) => vec![run::load(stage, load, *mode).await?],
            Self::Lone(mode) => vec![lone::run(stage, &LoneArgs::default(), *mode).await?],
            Self::Readiness => readiness::run(stage, &ReadinessArgs::default()).await?,
            Self::Experiment(experiment) => experiment.run(stage).await?,
        })
    }
}

/// All of them. The anchor comes first, and the two modes of a load come one right
/// after the other: they are compared.
pub(crate) fn all(modes: &[Mode]) -> Vec<Cell> {
    let mut cells = vec![Cell::Anchor];
    for load in loads() {
        cells.extend(modes.iter().map(|&mode| Cell::Load(load.clone(), mode)));
    }
    cells.extend(modes.iter().map(|&mode| Cell::Lone(mode)));
    cells.push(Cell::Readiness);
    cells.extend(Experiment::all().into_iter().map(Cell::Experiment));
    cells
}

/// The layered loads have a hundred steps ready at any time, and differ in the number of
/// steps of a task: 10, 100, 1,000 and 10,000.
pub(crate) fn loads() -> Vec<Workload> {
    let linear = |tasks, length, in_flight| {
        Workload::from(LinearArgs {
            tasks,
            length,
            in_flight,
        })
    };
    let fan = |tasks, width, in_flight| {
        Workload::from(FanArgs {
            tasks,
            width,
            in_flight,
        })
    };
    let mixed = |tasks, in_flight| Workload::from(MixedArgs { tasks, in_flight });
    let layered = |tasks, layers, width, in_flight| {
        Workload::from(LayeredArgs {
            tasks,
            layers,
            width,
            in_degree: 3,
            in_flight,
        })
    };
    vec![
        linear(2000, 20, 500),
        fan(400, 100, 50),
        fan(40, 1000, 2),
        fan(4, 10_000, 2),
        mixed(6000, 500),
        mixed(6000, 100),
        layered(4000, 2, 5, 20),
        layered(400, 10, 10, 10),
        layered(40, 20, 50, 2),
        layered(4, 100, 100, 1),
    ]
}
