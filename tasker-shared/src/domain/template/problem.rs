//! Problems of a template, each with file, line and step, and their collector.
//!
//! All problems of a file are reported at once, up to a limit: an author mends
//! a file in one round, and a hostile file cannot make a long report.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

/// Problems reported for one file; more are counted, not listed.
pub(super) const MAX_PROBLEMS: usize = 100;

/// One problem of a template, or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// File name, or whatever names the text's origin.
    pub source: String,
    /// From 1; none where the problem belongs to the whole file.
    pub line: Option<usize>,
    /// Name of the step, or `#3` for the third step where it has none.
    pub step: Option<String>,
    /// Stable code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(step) = &self.step {
            write!(f, ": step \"{}\"", step.escape_debug())?;
        }
        write!(f, ": {} [{}]", self.message, self.code)
    }
}

/// A refused template. Displays one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}

/// Collects problems and warnings of one source, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Problems {
    source: String,
    /// Put before every message: which environment is looked at.
    prefix: String,
    seen: HashSet<(Option<usize>, Option<String>, &'static str, String)>,
    found: Vec<Problem>,
    warnings: Vec<Problem>,
    dropped: usize,
}

impl Problems {
    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn add(
        &mut self,
        line: Option<usize>,
        step: Option<&str>,
        code: &'static str,
        message: String,
    ) {
        if let Some(problem) = self.new_problem(line, step, code, message) {
            if self.found.len() < MAX_PROBLEMS {
                self.found.push(problem);
            } else {
                self.dropped += 1;
            }
        }
    }

    pub(super) fn warn(
        &mut self,
        line: Option<usize>,
        step: Option<&str>,
        code: &'static str,
        message: String,
    ) {
        if let Some(problem) = self.new_problem(line, step, code, message) {
            if self.warnings.len() < MAX_PROBLEMS {
                self.warnings.push(problem);
            }
        }
    }

    /// A problem that was not seen before, in this or another environment.
    fn new_problem(
        &mut self,
        line: Option<usize>,
        step: Option<&str>,
        code: &'static str,
        message: String,
    ) -> Option<Problem> {
        let step = step.map(str::to_owned);
        let shown = format!("{}{message}", self.prefix);
        let new = self.seen.insert((line, step.clone(), code, message));
        new.then(|| Problem {
            source: self.source.clone(),
            line,
            step,
            code,
            message: shown,
        })
    }

    /// Messages from here on belong to the block of `environment`.
    pub(super) fn look_at_environment(&mut self, environment: &str) {
        self.prefix = format!("in environment {}: ", super::yaml::shown(environment));
    }

    /// Whether suggestions are still worth their cost: a file with hundreds of
    /// misspelt names gets them for the first ones only.
    pub(super) fn few(&self) -> bool {
        self.found.len() < 20
    }

    /// What was read with its warnings, or all problems as an error.
    pub(super) fn conclude<T>(
        mut self,
        read: Option<T>,
    ) -> Result<(T, Vec<Problem>), TemplateError> {
        if let (Some(value), true) = (read, self.found.is_empty()) {
            return Ok((value, self.warnings));
        }
        self.prefix.clear();
        self.found.sort_by_key(|problem| problem.line);
        if self.found.is_empty() {
            self.add(
                None,
                None,
                "unreadable",
                "no template can be read from this text".to_owned(),
            );
        }
        if self.dropped > 0 {
            self.found.push(Problem {
                source: self.source,
                line: None,
                step: None,
                code: "too_many_problems",
                message: format!("{} more problems; mend these first", self.dropped),
            });
        }
        Err(TemplateError {
            problems: self.found,
        })
    }
}
