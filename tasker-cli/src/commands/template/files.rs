//! Template files: found, read and checked without a service.

use std::fs;
use std::path::{Path, PathBuf};

use tasker_shared::domain::{
    parse_template_within, Parsed, Problem, Template, TemplateError, TemplateLimits,
};
use tasker_shared::template_files;
use tasker_shared::wire::{TemplateProblem, TemplateValidation};

use super::args::ValidateArgs;
use crate::failure::{Exit, Failure};
use crate::session::Session;

/// As large as the files that orchestration reads at its start.
const FILE_MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn validate(session: &Session, args: &ValidateArgs) -> Result<Exit, Failure> {
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

pub(super) fn parse(
    file: &Path,
    environment: &str,
) -> Result<Result<Parsed, TemplateError>, Failure> {
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

pub(super) fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
}
