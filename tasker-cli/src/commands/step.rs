//! `tasker step`: one step in full, and what an operator may do to it.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;
use tasker_shared::wire::{ResolveRequest, StepView, TransitionView};

use super::input::{self, Format, Operator};
use crate::failure::{Exit, Failure};
use crate::render::{fields, table, Ink, Mark};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum StepCommand {
    /// State, inputs, results, failed attempts and transitions
    Show(StepArgs),
    /// Give a failed step its attempts again
    Retry(OperateArgs),
    /// Close a failed step by hand, with the results its children read
    Resolve(ResolveArgs),
    /// Cancel a step; a running handler is told
    Cancel(OperateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// Id of the task
    task: i64,
    /// Name or id of the step
    step: String,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct OperateArgs {
    #[command(flatten)]
    step: StepArgs,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    step: StepArgs,
    /// Results of the step: JSON, @FILE, or - for stdin
    #[arg(long, default_value = "{}", value_name = "JSON")]
    results: String,
    #[command(flatten)]
    operator: Operator,
}

pub(crate) async fn run(session: &Session, command: StepCommand) -> Result<Exit, Failure> {
    match command {
        StepCommand::Show(args) => show(session, &args).await,
        StepCommand::Retry(args) => {
            let (client, id) = find(session, &args.step).await?;
            let step = client
                .retry_step(args.step.task, id, &args.operator.request())
                .await?;
            done(session, &args.step, &step, "will run again")
        }
        StepCommand::Cancel(args) => {
            let (client, id) = find(session, &args.step).await?;
            let step = client
                .cancel_step(args.step.task, id, &args.operator.request())
                .await?;
            done(session, &args.step, &step, "is cancelled")
        }
        StepCommand::Resolve(args) => {
            let results = input::json("--results", &args.results)?;
            let (client, id) = find(session, &args.step).await?;
            let Operator { reason, operator } = args.operator;
            let request = ResolveRequest {
                results,
                reason,
                operator,
            };
            let step = client.resolve_step(args.step.task, id, &request).await?;
            done(session, &args.step, &step, "is resolved")
        }
    }
}

async fn find(session: &Session, args: &StepArgs) -> Result<(tasker_client::Client, i64), Failure> {
    let client = session.client()?;
    let id = input::step_id(&client, args.task, &args.step).await?;
    Ok((client, id))
}

fn done(session: &Session, args: &StepArgs, step: &StepView, what: &str) -> Result<Exit, Failure> {
    if args.format.json {
        session.out.json(step)?;
    } else {
        session.out.line(&format!(
            "step {} of task {} {what}",
            step.name, step.task_id
        ))?;
    }
    Ok(Exit::Ok)
}

async fn show(session: &Session, args: &StepArgs) -> Result<Exit, Failure> {
    let (client, id) = find(session, args).await?;
    let step = client.step(args.task, id).await?;
    if args.format.json {
        session.out.json(&step)?;
    } else {
        session.out.text(&text(session, &step))?;
    }
    Ok(Exit::Ok)
}

fn text(session: &Session, step: &StepView) -> String {
    let frame = session.out.frame();
    let style = frame.style;
    let mark = Mark::of(step.state, step.phase);
    let mut text = format!(
        "{}  step {} of task {}  {}\n",
        style.paint(Ink::Strong, &step.name),
        step.step_id,
        step.task_id,
        style.paint(
            mark.ink(),
            &format!("{} {}", mark.glyph(style), mark.word())
        ),
    );
    let time = |time: Option<_>| time.map(super::task::time).unwrap_or_default();
    let retry = if step.retryable {
        ""
    } else {
        ", not retryable"
    };
    text.push_str(&fields(
        &[
            ("handler", step.handler_class.clone().unwrap_or_default()),
            (
                "attempts",
                format!("{} of {}{retry}", step.attempts, step.retry_limit),
            ),
            ("last attempt", time(step.last_attempted_at)),
            ("next attempt", time(step.next_attempt_at)),
            ("processed", time(step.processed_at)),
            ("after", step.depends_on.join(", ")),
        ],
        style,
    ));
    section(&mut text, "inputs", step.inputs.as_ref());
    section(&mut text, "progress", step.progress.as_ref());
    section(&mut text, "results", Some(&step.results));
    if let Some(failures) = step.failures.as_ref().filter(|f| !f.is_empty()) {
        let rows: Vec<Vec<(String, Ink)>> = failures
            .iter()
            .map(|f| {
                vec![
                    (f.attempt.to_string(), Ink::Plain),
                    (f.kind.clone(), Ink::Bad),
                    (super::task::time(f.failed_at), Ink::Plain),
                    (reason(&f.error), Ink::Plain),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(
            &["ATTEMPT", "KIND", "FAILED AT", "ERROR"],
            &rows,
            frame.width,
            style,
        ));
    }
    if let Some(transitions) = step.transitions.as_ref().filter(|t| !t.is_empty()) {
        text.push('\n');
        text.push_str(&transition_table(session, transitions));
    }
    text
}

fn section(text: &mut String, title: &str, value: Option<&Value>) {
    if let Some(value) = value.filter(|v| !is_empty(v)) {
        // The alternate form is indented; writing to a String cannot fail.
        let _ = write!(text, "\n{title}\n{value:#}\n");
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The message of an error document, or the document.
fn reason(error: &Value) -> String {
    let message = error.get("message").or_else(|| error.get("error"));
    message
        .and_then(Value::as_str)
        .map_or_else(|| error.to_string(), str::to_owned)
}

/// The audit trail, oldest first.
pub(crate) fn transition_table(session: &Session, transitions: &[TransitionView]) -> String {
    let rows: Vec<Vec<(String, Ink)>> = transitions
        .iter()
        .map(|t| {
            let metadata = if is_empty(&t.metadata) {
                String::new()
            } else {
                t.metadata.to_string()
            };
            vec![
                (super::task::time(t.created_at), Ink::Plain),
                (
                    t.step_name.clone().unwrap_or_else(|| "(task)".to_owned()),
                    Ink::Plain,
                ),
                (t.from_state.clone().unwrap_or_default(), Ink::Dim),
                (t.to_state.clone(), Ink::Plain),
                (metadata, Ink::Dim),
            ]
        })
        .collect();
    let frame = session.out.frame();
    table(
        &["TIME", "STEP", "FROM", "TO", "METADATA"],
        &rows,
        frame.width,
        frame.style,
    )
}
