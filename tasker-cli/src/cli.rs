//! The command line: verbs and what they take. Each noun's own arguments stand
//! with its command.

use clap::{Parser, Subcommand};

use crate::commands::{
    completions, config, demo, dev, explain, migrate, service, step, task, template, verify,
};
use crate::failure::EXIT_CODES;
use crate::session::Globals;

#[derive(Debug, Parser)]
#[command(name = "tasker", about = "Durable workflows on PostgreSQL", version, after_help = EXIT_CODES, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it: a private database, both services, two real workflows
    Demo(demo::DemoArgs),
    /// Run everything in one process for development
    Dev(dev::DevArgs),
    /// Bring the database to the schema this program needs
    Migrate(migrate::MigrateArgs),
    /// Run the orchestration service
    Orchestrator(service::ServiceArgs),
    /// Run a worker with the Rust handlers of this program
    Worker(service::ServiceArgs),
    /// Submit, watch and operate tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Look at single steps and operate them
    #[command(subcommand)]
    Step(step::StepCommand),
    /// Check, register and draw templates
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check the engine's invariants in the database
    Verify(verify::VerifyArgs),
    /// Say why the steps of a task stand where they stand
    Explain(explain::ExplainArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
