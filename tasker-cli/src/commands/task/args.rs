//! What the verbs of `tasker task` take.

use clap::{Args, Subcommand};
use tasker_shared::domain::State;

use crate::commands::input::{Format, Operator};

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Submit a task
    Submit(SubmitArgs),
    /// List tasks, newest first
    List(ListArgs),
    /// Show a task and its graph
    Show(ShowArgs),
    /// Draw a task until it has ended
    Watch(WatchArgs),
    /// Cancel a task; running handlers are told
    Cancel(OperateArgs),
    /// Retry the failed steps of a task
    Retry(OperateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// Name of the template
    pub(crate) name: String,
    /// Namespace of the template [default: default]
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Version of the template, d.d.d [default: the highest]
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Input of the task: JSON, @FILE, or - for stdin
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub(crate) context: String,
    /// Two requests with the same key make one task
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Tag of the task; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// -100 to 100; higher is claimed first
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
    /// Who asks
    #[arg(long)]
    pub(crate) initiator: Option<String>,
    /// Which system asks
    #[arg(long)]
    pub(crate) source_system: Option<String>,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Carried to every handler and log line
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<String>,
    /// Watch the task until it has ended; exit code 1 unless it completes
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --wait: give up after so many seconds
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    pub(crate) timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) format: Format,
}

const STATE_HELP: &str = "pending, in_progress, complete, error, cancelled or resolved_manually";

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// One of the six states
    #[arg(long, value_parser = state, help = STATE_HELP)]
    pub(crate) state: Option<State>,
    #[arg(long)]
    pub(crate) tag: Option<String>,
    #[arg(long)]
    pub(crate) initiator: Option<String>,
    /// Requested at or after this time, such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Requested before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Tasks per page, 1 to 200
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Where the page before ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Id of the task
    pub(crate) task: i64,
    /// With every step and its results
    #[arg(long)]
    pub(crate) steps: bool,
    /// With the audit trail of the task and its steps
    #[arg(long)]
    pub(crate) transitions: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Id of the task
    pub(crate) task: i64,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// How often to ask the service, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(20..=60_000))]
    pub(crate) interval: u64,
    /// One JSON document per change
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OperateArgs {
    /// Id of the task
    pub(crate) task: i64,
    #[command(flatten)]
    pub(crate) operator: Operator,
    #[command(flatten)]
    pub(crate) format: Format,
}

fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| {
        let names: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("one of {}", names.join(", "))
    })
}
