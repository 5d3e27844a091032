//! `tasker task`: submit, look at and operate tasks.

mod args;

use std::fmt::Write as _;
use std::time::Duration;

use tasker_client::Include;
use tasker_shared::wire::{TaskFilter, TaskRequest, TaskSubmitted, TaskView};

use super::input::{self, Format};
use super::watch::{exit_of, follow, note_end, Watch};
use crate::failure::{Exit, Failure};
use crate::render::{draw_task, fields, state_ink, state_word, table, Ink, Style};
use crate::session::Session;

pub(crate) use args::TaskCommand;
use args::{ListArgs, ShowArgs, SubmitArgs, WatchArgs};

/// A time as the tables show it, UTC.
pub(crate) fn time<T: std::fmt::Display>(time: T) -> String {
    // "2030-01-31 12:00:00.123456 UTC": seconds are enough.
    time.to_string().chars().take(19).collect()
}

pub(crate) async fn run(session: &Session, command: TaskCommand) -> Result<Exit, Failure> {
    match command {
        TaskCommand::Submit(args) => submit(session, args).await,
        TaskCommand::List(args) => list(session, args).await,
        TaskCommand::Show(args) => show(session, &args).await,
        TaskCommand::Watch(args) => watch(session, &args).await,
        TaskCommand::Cancel(args) => {
            let client = session.client()?;
            let task = client
                .cancel_task(args.task, &args.operator.request())
                .await?;
            operated(session, &task, args.format, "is cancelled")
        }
        TaskCommand::Retry(args) => {
            let client = session.client()?;
            let task = client
                .retry_task(args.task, &args.operator.request())
                .await?;
            operated(session, &task, args.format, "runs again")
        }
    }
}

fn operated(
    session: &Session,
    task: &TaskView,
    format: Format,
    what: &str,
) -> Result<Exit, Failure> {
    if format.json {
        session.out.json(task)?;
    } else {
        session.out.line(&format!(
            "task {} {what} ({})",
            task.task_id,
            state_word(task.state)
        ))?;
    }
    Ok(Exit::Ok)
}

async fn submit(session: &Session, args: SubmitArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let request = TaskRequest {
        name: args.name,
        namespace: args.namespace,
        version: args.version,
        context: input::json("--context", &args.context)?,
        initiator: args.initiator,
        source_system: args.source_system,
        reason: args.reason,
        tags: Some(args.tags).filter(|tags| !tags.is_empty()),
        priority: args.priority,
        idempotency_key: args.idempotency_key,
        correlation_id: args.correlation_id,
        ..TaskRequest::default()
    };
    let submitted = client.submit(&request).await?;
    let id = submitted.task.task_id;
    let json = args.format.json;
    if !json {
        let what = if submitted.duplicate {
            "exists already"
        } else {
            "is submitted"
        };
        session.out.line(&format!("task {id} {what}"))?;
    }
    if !args.wait {
        if json {
            session.out.json(&submitted)?;
        } else {
            session
                .out
                .note(&format!("follow it with `tasker task watch {id}`"));
        }
        return Ok(Exit::Ok);
    }
    let watch = Watch {
        interval: Duration::from_millis(250),
        timeout: args.timeout.map(Duration::from_secs),
        json: false,
        quiet: json,
    };
    let graph = follow(&client, &session.out, id, watch).await?;
    if json {
        let task = client.task(id, Include::default()).await?;
        session.out.json(&TaskSubmitted {
            duplicate: submitted.duplicate,
            task,
        })?;
    }
    note_end(&session.out, &graph);
    Ok(exit_of(graph.state))
}

async fn list(session: &Session, args: ListArgs) -> Result<Exit, Failure> {
    let bad_time = |flag: &str, error: &dyn std::fmt::Display| {
        Failure::usage(format!("{flag} is not a time: {error}"))
            .remedy("write it like 2030-01-31T00:00:00Z")
    };
    let mut filter = TaskFilter {
        namespace: args.namespace,
        name: args.name,
        version: args.version,
        state: args.state,
        tag: args.tag,
        initiator: args.initiator,
        limit: args.limit,
        cursor: args.cursor,
        ..TaskFilter::default()
    };
    if let Some(from) = &args.from {
        filter.from = Some(from.parse().map_err(|error| bad_time("--from", &error))?);
    }
    if let Some(to) = &args.to {
        filter.to = Some(to.parse().map_err(|error| bad_time("--to", &error))?);
    }
    let page = session.client()?.tasks(&filter).await?;
    if args.format.json {
        session.out.json(&page)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<(String, Ink)>> = page.tasks.iter().map(row).collect();
    let head = [
        "ID",
        "NAMESPACE",
        "NAME",
        "VERSION",
        "STATE",
        "REQUESTED (UTC)",
        "TAGS",
    ];
    let frame = session.out.frame();
    session
        .out
        .text(&table(&head, &rows, frame.width, frame.style))?;
    if let Some(cursor) = &page.next_cursor {
        session
            .out
            .note(&format!("there are more: add --cursor {cursor}"));
    }
    Ok(Exit::Ok)
}

fn row(task: &TaskView) -> Vec<(String, Ink)> {
    vec![
        (task.task_id.to_string(), Ink::Plain),
        (task.namespace.clone(), Ink::Plain),
        (task.name.clone(), Ink::Plain),
        (task.version.clone(), Ink::Plain),
        (state_word(task.state).to_owned(), state_ink(task.state)),
        (time(task.requested_at), Ink::Plain),
        (task.tags.join(", "), Ink::Dim),
    ]
}

async fn show(session: &Session, args: &ShowArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let include = Include {
        steps: args.steps,
        transitions: args.transitions,
    };
    let task = client.task(args.task, include).await?;
    if args.format.json {
        session.out.json(&task)?;
        return Ok(Exit::Ok);
    }
    let graph = client.graph(args.task).await?;
    let frame = session.out.frame();
    let style = frame.style;
    let mut text = draw_task(
        &graph,
        crate::render::Frame {
            height: None,
            ..frame
        },
    );
    text.push('\n');
    text.push_str(&facts(&task, style, frame.width));
    for step in task.steps.iter().flatten() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{}\n{:#}\n",
            style.paint(Ink::Strong, &step.name),
            step.results
        );
    }
    if let Some(transitions) = task.transitions.as_ref().filter(|t| !t.is_empty()) {
        text.push('\n');
        text.push_str(&super::step::transition_table(session, transitions));
    }
    session.out.text(&text)?;
    Ok(Exit::Ok)
}

/// What is known of a task besides its graph.
fn facts(task: &TaskView, style: Style, width: usize) -> String {
    let by = if task.driven_by_core {
        String::new()
    } else {
        "the Rails engine; shown here, not run".to_owned()
    };
    fields(
        &[
            (
                "template",
                format!("{}/{} {}", task.namespace, task.name, task.version),
            ),
            ("requested", time(task.requested_at)),
            ("state since", time(task.state_since)),
            ("initiator", task.initiator.clone().unwrap_or_default()),
            ("source", task.source_system.clone().unwrap_or_default()),
            ("reason", task.reason.clone().unwrap_or_default()),
            ("tags", task.tags.join(", ")),
            (
                "priority",
                Some(task.priority)
                    .filter(|p| *p != 0)
                    .map(|p| p.to_string())
                    .unwrap_or_default(),
            ),
            (
                "idempotency key",
                task.idempotency_key.clone().unwrap_or_default(),
            ),
            (
                "correlation id",
                task.correlation_id.clone().unwrap_or_default(),
            ),
            ("driven by", by),
            (
                "context",
                style.clip(&task.context.to_string(), width.saturating_sub(17)),
            ),
        ],
        style,
    )
}

async fn watch(session: &Session, args: &WatchArgs) -> Result<Exit, Failure> {
    let watch = Watch {
        interval: Duration::from_millis(args.interval),
        timeout: args.timeout.map(Duration::from_secs),
        json: args.json,
        quiet: false,
    };
    let graph = follow(&session.client()?, &session.out, args.task, watch).await?;
    note_end(&session.out, &graph);
    Ok(exit_of(graph.state))
}
