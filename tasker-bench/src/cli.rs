//! The command line. Defaults stand in the `Default` impls alone, so that `all` runs
//! exactly what the single commands run.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::experiments::Experiment;

/// Measures Tasker's throughput, latency and cost per step.
#[derive(Debug, Parser)]
#[command(name = "tasker-bench", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Use this database instead of a private cluster; its tasks stay
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// Who completes steps [default: queued; both for `all`]
    #[arg(long, global = true)]
    pub(crate) mode: Option<Mode>,
    /// Orchestrators, in queued mode
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub(crate) orchestrators: usize,
    /// Workers, in queued mode
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub(crate) workers: usize,
    /// Sets a value of the services' configuration: section.key=value
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) overrides: Vec<(String, String)>,
    /// Sets a value of the private PostgreSQL cluster: name=value
    #[arg(long = "postgres", global = true, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) postgres: Vec<(String, String)>,
    /// Show the statements that took the most time (`pg_stat_statements`; it costs a little)
    #[arg(long, global = true, conflicts_with = "database_url")]
    pub(crate) profile: bool,
    /// Steps run before the measurement begins, about
    #[arg(long, global = true, value_name = "STEPS", default_value_t = 500)]
    pub(crate) warm_up: usize,
    /// How often the database is asked which tasks have ended
    #[arg(long, global = true, value_name = "MS", default_value_t = 20)]
    pub(crate) poll_ms: u64,
}

/// Who completes steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Orchestrator and worker are two processes with a queue of results between them
    #[default]
    Queued,
    /// One process holds both roles (`tasker dev`)
    Direct,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Direct => "direct",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Latency of a chain of four steps, one task at a time
    Lone(LoneArgs),
    /// Chains of steps
    Linear(LinearArgs),
    /// One step, many side by side, one step
    Fan(FanArgs),
    /// Diamonds, merges of seven steps and trees of eight, in turn
    Mixed(MixedArgs),
    /// Layers in which each step has several parents
    Layered(LayeredArgs),
    /// Which steps became ready: the engine against the Rails engine's function
    Readiness(ReadinessArgs),
    /// What PGMQ's own functions do on the same cluster, without any engine
    Anchor(AnchorArgs),
    #[command(flatten)]
    Experiment(Experiment),
    /// All of these on one cluster, with a table at the end
    All(AllArgs),
    /// Writes page and plots of a report anew, from its records
    Report(ReportArgs),
    /// Draws the chart that standard input describes in JSON, as SVG
    Chart,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AllArgs {
    /// Write a report into this directory: a page, plots and records
    #[arg(long, value_name = "DIR", conflicts_with = "database_url")]
    pub(crate) write: Option<PathBuf>,
    /// Only what has one of these texts in its name, such as `direct` or `fan_1000`
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,
    /// Not what has one of these texts in its name
    #[arg(long, value_name = "TEXT")]
    pub(crate) skip: Vec<String>,
}

impl AllArgs {
    pub(crate) fn chooses(&self, name: &str) -> bool {
        let named = |texts: &[String]| texts.iter().any(|text| name.contains(text.as_str()));
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReportArgs {
    /// The directory that `all --write` wrote into
    pub(crate) directory: PathBuf,
}

/// Arguments whose defaults are the fields of a `Default` value.
macro_rules! arguments {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $value:expr,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, clap::Args)]
        pub(crate) struct $name {
            $($(#[$doc])* #[arg(long, default_value_t = $value)] pub(crate) $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $value,)* }
            }
        }
    };
}

pub(crate) use arguments;

arguments!(LoneArgs {
    /// Tasks, one after another
    rounds: usize = 500,
});

arguments!(LinearArgs {
    tasks: usize = 6000,
    /// Steps of a task
    length: usize = 10,
    /// Tasks under way at once
    in_flight: usize = 100,
});

arguments!(FanArgs {
    tasks: usize = 100,
    /// Steps side by side
    width: usize = 1000,
    /// Tasks under way at once
    in_flight: usize = 2,
});

arguments!(MixedArgs {
    tasks: usize = 9000,
    /// Tasks under way at once
    in_flight: usize = 100,
});

arguments!(LayeredArgs {
    tasks: usize = 1000,
    layers: usize = 10,
    /// Steps of a layer
    width: usize = 10,
    /// Parents of each step after the first layer
    in_degree: usize = 3,
    /// Tasks under way at once
    in_flight: usize = 20,
});

arguments!(ReadinessArgs {
    /// Steps of the largest task; smaller ones have 10, 100, 1,000
    largest: usize = 10_000,
});

arguments!(AnchorArgs {
    /// Seconds for each number of connections, one to four
    seconds: u64 = 3,
});

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn measurements_are_chosen_by_parts_of_their_names() {
        let chosen = |line: &str| {
            let Command::All(args) = Cli::parse_from(line.split(' ')).command else {
                panic!("another command");
            };
            ["anchor", "queued/lone", "direct/lone"].map(|name| args.chooses(name))
        };
        assert_eq!(chosen("tasker-bench all"), [true, true, true]);
        assert_eq!(
            chosen("tasker-bench all --only lone --only anchor"),
            [true, true, true]
        );
        assert_eq!(
            chosen("tasker-bench all --only lone --skip direct"),
            [false, true, false]
        );
    }

    #[test]
    fn a_command_without_flags_is_the_one_all_runs() {
        let cli = Cli::parse_from(["tasker-bench", "linear"]);
        let Command::Linear(args) = cli.command else {
            panic!("another command");
        };
        assert_eq!(format!("{args:?}"), format!("{:?}", LinearArgs::default()));
    }
}
