//! `tasker template`: check files without a service, register them, look at what
//! is registered, and draw graphs of either.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use tasker_client::Client;
use tasker_shared::domain::{
    parse_template_within, Parsed, Problem, Template, TemplateError, TemplateLimits,
};
use tasker_shared::template_files;
use tasker_shared::wire::graph_text::{self, TextNode};
use tasker_shared::wire::{TemplateDetail, TemplateProblem, TemplateSummary, TemplateValidation};

use super::input::Format;
use crate::failure::{Exit, Failure};
use crate::render::{draw_dag, fields, table, Dag, Frame, Ink};
use crate::session::Session;

/// As large as the files that orchestration reads at its start.
const FILE_MAX_BYTES: usize = 4 * 1024 * 1024;

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
    paths: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// Template files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// A registered template.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// Name of the template
    name: String,
    /// Its namespace, where the name alone is not enough
    #[arg(long)]
    namespace: Option<String>,
    /// Its version, d.d.d [default: the highest]
    #[arg(long)]
    version: Option<String>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A template file, or the name of a registered template
    template: String,
    /// Its namespace, where the name alone is not enough
    #[arg(long)]
    namespace: Option<String>,
    /// Its version, d.d.d [default: the highest]
    #[arg(long)]
    version: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "text")]
    format: GraphFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GraphFormat {
    Text,
    Mermaid,
    Dot,
}

pub(crate) async fn run(session: &Session, command: TemplateCommand) -> Result<Exit, Failure> {
    match command {
        TemplateCommand::Validate(args) => validate(session, &args),
        TemplateCommand::Register(args) => register(session, &args).await,
        TemplateCommand::List(format) => list(session, format).await,
        TemplateCommand::Show(args) => show(session, &args).await,
        TemplateCommand::Graph(args) => graph(session, &args).await,
    }
}

fn validate(session: &Session, args: &ValidateArgs) -> Result<Exit, Failure> {
    let environment = session.sources(&[]).environment;
    let mut files = vec![];
    for path in &args.paths {
        files.extend(collect(path)?);
    }
    if files.is_empty() {
        return Err(
            Failure::usage("no template file was found").remedy("templates end in .yaml or .yml")
        );
    }
    let mut report = TemplateValidation {
        valid: true,
        errors: vec![],
        warnings: vec![],
    };
    for file in &files {
        let source = file.display().to_string();
        let (line, errors, warnings) = match parse(file, &environment)? {
            Ok(parsed) => (accepted(&source, &parsed.template), vec![], parsed.warnings),
            Err(error) => (format!("{source}: refused"), error.problems, vec![]),
        };
        if !args.format.json {
            session.out.line(&line)?;
            for (kind, problems) in [("error", &errors), ("warning", &warnings)] {
                problems
                    .iter()
                    .try_for_each(|p| session.out.line(&format!("  {kind}: {p}")))?;
            }
        }
        report.errors.extend(errors.into_iter().map(on_the_wire));
        report
            .warnings
            .extend(warnings.into_iter().map(on_the_wire));
    }
    report.valid = report.errors.is_empty();
    if args.format.json {
        session.out.json(&report)?;
    }
    Ok(if report.valid {
        Exit::Ok
    } else {
        Exit::CheckFailed
    })
}

fn accepted(source: &str, template: &Template) -> String {
    let steps = template.steps.len();
    let noun = if steps == 1 { "step" } else { "steps" };
    format!(
        "{source}: ok, {}/{} {} with {steps} {noun}",
        template.namespace, template.name, template.version
    )
}

fn on_the_wire(problem: Problem) -> TemplateProblem {
    TemplateProblem {
        source: problem.source,
        line: problem.line,
        step: problem.step,
        code: problem.code.to_owned(),
        message: problem.message,
    }
}

/// Files as they are named; of a directory, every template below it.
fn collect(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::usage(format!("{} cannot be read: {error}", path.display()));
    let files = if fs::metadata(path).map_err(failed)?.is_dir() {
        template_files::find(path)
    } else {
        vec![path.to_owned()]
    };
    Ok(files)
}

fn parse(file: &Path, environment: &str) -> Result<Result<Parsed, TemplateError>, Failure> {
    let limits = TemplateLimits {
        max_bytes: FILE_MAX_BYTES,
        ..TemplateLimits::default()
    };
    Ok(parse_template_within(
        &read(file)?,
        &file.display().to_string(),
        environment,
        &limits,
    ))
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
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
