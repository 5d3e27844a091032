//! What the verbs of `tasker template` take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::commands::input::Format;

#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Check template files, or all below a directory; needs no service
    Validate(ValidateArgs),
    /// Register template files with the service
    Register(RegisterArgs),
    /// List registered templates
    List(Format),
    /// Show a registered template
    Show(NamedArgs),
    /// Draw the graph of a file or of a registered template
    Graph(GraphArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Files, or directories to search for *.yaml and *.yml
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// Template files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// A registered template.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// Name of the template
    pub(crate) name: String,
    /// Its namespace, where the name alone is not enough
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Its version, d.d.d [default: the highest]
    #[arg(long)]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A template file, or the name of a registered template
    pub(crate) template: String,
    /// Its namespace, where the name alone is not enough
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Its version, d.d.d [default: the highest]
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum GraphFormat {
    Text,
    Mermaid,
    Dot,
}
