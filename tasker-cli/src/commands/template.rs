//! `tasker template`: check files without a service, register them, look at what
//! is registered, and draw graphs of either.

mod args;
mod files;

use std::cmp::Reverse;
use std::path::Path;

use tasker_client::Client;
use tasker_shared::domain::Template;
use tasker_shared::wire::graph_text::{self, TextNode};
use tasker_shared::wire::{TemplateDetail, TemplateSummary};

use super::input::Format;
use crate::failure::{Exit, Failure};
use crate::render::{draw_dag, fields, table, Dag, Frame, Ink};
use crate::session::Session;

pub(crate) use args::TemplateCommand;
use args::{GraphArgs, GraphFormat, NamedArgs, RegisterArgs};
use files::{parse, read};

pub(crate) async fn run(session: &Session, command: TemplateCommand) -> Result<Exit, Failure> {
    match command {
        TemplateCommand::Validate(args) => files::validate(session, &args),
        TemplateCommand::Register(args) => register(session, &args).await,
        TemplateCommand::List(format) => list(session, format).await,
        TemplateCommand::Show(args) => show(session, &args).await,
        TemplateCommand::Graph(args) => graph(session, &args).await,
    }
}

async fn register(session: &Session, args: &RegisterArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let mut answers = vec![];
    for file in &args.files {
        let answer = client.register_template(&read(file)?).await?;
        if !args.format.json {
            let t = &answer.template;
            let what = if answer.created {
                "registered"
            } else {
                "registered before"
            };
            session
                .out
                .line(&format!("{}/{} {}: {what}", t.namespace, t.name, t.version))?;
            for warning in &answer.warnings {
                session.out.note(&format!("warning: {}", warning.message));
            }
        }
        answers.push(answer);
    }
    if args.format.json {
        session.out.json(&answers)?;
    }
    Ok(Exit::Ok)
}

async fn list(session: &Session, format: Format) -> Result<Exit, Failure> {
    let templates = session.client()?.templates().await?;
    if format.json {
        session
            .out
            .json(&tasker_shared::wire::TemplateList { templates })?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<(String, Ink)>> = templates
        .iter()
        .map(|t| {
            vec![
                (t.namespace.clone(), Ink::Plain),
                (t.name.clone(), Ink::Plain),
                (t.version.clone(), Ink::Plain),
                (t.steps.to_string(), Ink::Plain),
                (t.description.clone().unwrap_or_default(), Ink::Dim),
            ]
        })
        .collect();
    let frame = session.out.frame();
    let head = ["NAMESPACE", "NAME", "VERSION", "STEPS", "DESCRIPTION"];
    session
        .out
        .text(&table(&head, &rows, frame.width, frame.style))?;
    Ok(Exit::Ok)
}

async fn show(session: &Session, args: &NamedArgs) -> Result<Exit, Failure> {
    let client = session.client()?;
    let detail = find(
        &client,
        &args.name,
        args.namespace.as_deref(),
        args.version.as_deref(),
    )
    .await?;
    if args.format.json {
        session.out.json(&detail)?;
        return Ok(Exit::Ok);
    }
    let frame = Frame {
        height: None,
        ..session.out.frame()
    };
    let summary = &detail.summary;
    let text = fields(
        &[
            ("name", format!("{}/{}", summary.namespace, summary.name)),
            ("version", summary.version.clone()),
            (
                "description",
                summary.description.clone().unwrap_or_default(),
            ),
            ("steps", summary.steps.to_string()),
            ("registered", super::task::time(summary.registered_at)),
            ("digest", summary.digest.clone()),
        ],
        frame.style,
    );
    let dag = Dag::of_template(&definition(&detail)?);
    session
        .out
        .text(&format!("{text}\n{}", draw_dag(&dag, frame)))?;
    Ok(Exit::Ok)
}

async fn graph(session: &Session, args: &GraphArgs) -> Result<Exit, Failure> {
    let path = Path::new(&args.template);
    let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let template = if yaml || path.is_file() {
        let environment = session.sources(&[]).environment;
        parse(path, &environment)?
            .map_err(|error| Failure::new(Exit::CheckFailed, error.to_string()))?
            .template
    } else {
        let client = session.client()?;
        definition(
            &find(
                &client,
                &args.template,
                args.namespace.as_deref(),
                args.version.as_deref(),
            )
            .await?,
        )?
    };
    let dag = Dag::of_template(&template);
    let nodes: Vec<TextNode<'_>> = dag
        .nodes
        .iter()
        .map(|node| TextNode {
            label: &node.name,
            state: None,
        })
        .collect();
    let edges: Vec<(usize, usize)> = dag
        .children
        .iter()
        .enumerate()
        .flat_map(|(from, children)| children.iter().map(move |&to| (from, to)))
        .collect();
    let text = match args.format {
        GraphFormat::Text => draw_dag(
            &dag,
            Frame {
                height: None,
                ..session.out.frame()
            },
        ),
        GraphFormat::Mermaid => graph_text::mermaid(&nodes, &edges),
        GraphFormat::Dot => graph_text::dot(template.name.as_ref(), &nodes, &edges),
    };
    session.out.text(&text)?;
    Ok(Exit::Ok)
}

fn definition(detail: &TemplateDetail) -> Result<Template, Failure> {
    serde_json::from_value(detail.definition.clone()).map_err(|error| {
        Failure::internal(format!("the service's definition cannot be read: {error}"))
    })
}

/// The registered template of this name: the highest version where none is named.
async fn find(
    client: &Client,
    name: &str,
    namespace: Option<&str>,
    version: Option<&str>,
) -> Result<TemplateDetail, Failure> {
    let mut found: Vec<TemplateSummary> = client.templates().await?;
    found.retain(|t| {
        t.name == name
            && namespace.is_none_or(|n| n == t.namespace)
            && version.is_none_or(|v| v == t.version)
    });
    found.sort_by_key(|t| Reverse(numbers(&t.version)));
    let Some(first) = found.first() else {
        return Err(Failure::new(
            Exit::Refused,
            format!("no registered template matches {name:?}"),
        )
        .remedy("`tasker template list` shows them all"));
    };
    if let Some(other) = found.iter().find(|t| t.namespace != first.namespace) {
        let message = format!(
            "{name:?} is in the namespaces {} and {}",
            first.namespace, other.namespace
        );
        return Err(Failure::usage(message).remedy("say which with --namespace"));
    }
    Ok(client
        .template(&first.namespace, &first.name, &first.version)
        .await?)
}

fn numbers(version: &str) -> Vec<u64> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}
