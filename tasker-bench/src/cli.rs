//! The command line. Defaults stand in the `Default` impls alone, so that `all` runs
//! exactly what the single commands run.

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Orchestrator and worker are two processes with a queue of results between them
    #[default]
    Queued,
    /// One process holds both roles (`tasker dev`)
    Direct,
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
    /// What PGMQ's own functions do on the same cluster, without any engine
    Anchor(AnchorArgs),
    /// All of these on one cluster, with a table at the end
    All,
}

/// Arguments whose defaults are the fields of a `Default` value.
macro_rules! arguments {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $value:expr,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Args)]
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
    fn a_command_without_flags_is_the_one_all_runs() {
        let cli = Cli::parse_from(["tasker-bench", "linear"]);
        let Command::Linear(args) = cli.command else {
            panic!("another command");
        };
        assert_eq!(format!("{args:?}"), format!("{:?}", LinearArgs::default()));
    }
}
