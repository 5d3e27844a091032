//! How a command ends: exit codes, and errors with their remedies.
//!
//! One table says which code means what; `--help` prints it. An error is one
//! sentence on stderr and, where there is one, what to do about it. Output cut
//! off by the reader (`| head`) is no error.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use tasker_client::ClientError;
use tasker_cluster::ClusterError;
use tasker_shared::config::ConfigError;

/// Exit codes, as `--help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    CheckFailed = 1,
    Usage = 2,
    Refused = 3,
    Unreachable = 4,
    Internal = 5,
}

/// The table of [`Exit`] for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a check failed: violations, an invalid file, a task that ended in error
  2  wrong usage or configuration
  3  the service refused the request
  4  the service or the database cannot be reached
  5  an internal error";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    remedies: Vec<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            remedies: vec![],
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// An error with its sources in one line.
    pub(crate) fn of(exit: Exit, error: &dyn std::error::Error) -> Self {
        Self::new(exit, chain(error))
    }

    /// Adds a line on what to do.
    pub(crate) fn remedy(mut self, line: impl Into<String>) -> Self {
        self.remedies.push(line.into());
        self
    }

    /// The lines for a terminal; nothing for output that was cut off.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if !self.message.is_empty() {
            let _ = writeln!(text, "error: {}", self.message.trim_end());
        }
        for remedy in &self.remedies {
            let _ = writeln!(text, "  {remedy}");
        }
        text
    }

    /// Prints the error and gives the code to end with.
    pub(crate) fn report(&self) -> Exit {
        // Nobody is left to tell when stderr is gone as well.
        let _ = io::stderr().write_all(self.text().as_bytes());
        self.exit
    }
}

/// The message of an error and of its sources, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The library between names every layer it is made of; the last one knows the reason.
fn unreachable(url: &str, error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("the service does not answer at {url}: {cause}")
}

/// Writing to the terminal failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(Exit::Ok, "")
        } else {
            Self::internal(format!("cannot write the output: {error}"))
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = chain(&error);
        match error {
            ClientError::BadUrl { .. } => {
                Self::usage(message).remedy("give an address such as --url http://127.0.0.1:8080")
            }
            ClientError::Unreachable { url, source } => Self::new(Exit::Unreachable, unreachable(&url, &source))
                .remedy("start a service with `tasker dev`, or name the one to use with --url or TASKER_URL"),
            ClientError::Protocol { .. } => Self::new(Exit::Unreachable, message)
                .remedy("another program answers at this address; check --url and TASKER_URL"),
            ClientError::Deadline { .. } => Self::new(Exit::CheckFailed, message),
            ClientError::Problem { problem, retry_after } => {
                let mut failure = Self::new(Exit::Refused, message);
                for field in &problem.errors {
                    let remedy = field.remedy.as_ref().map(|r| format!("; {r}")).unwrap_or_default();
                    failure = failure.remedy(format!("{}: {}{remedy}", field.field, field.problem));
                }
                match retry_after {
                    Some(after) => failure.remedy(format!("try again in {} s", after.as_secs())),
                    None => failure,
                }
            }
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
            .remedy("`tasker config show` lists every value and where it comes from")
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self::of(Exit::Unreachable, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_is_cut_off_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.text()), (Exit::Ok, String::new()));
    }

    #[test]
    fn an_error_and_its_remedies_are_one_line_each() {
        let failure = Failure::usage("no such file")
            .remedy("give another")
            .remedy("or none");
        assert_eq!(
            failure.text(),
            "error: no such file\n  give another\n  or none\n"
        );
    }

    #[test]
    fn every_code_is_in_the_table() {
        let codes = [
            Exit::Ok,
            Exit::CheckFailed,
            Exit::Usage,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Internal,
        ];
        for exit in codes {
            assert!(
                EXIT_CODES.contains(&format!("\n  {}  ", exit as u8)),
                "{exit:?}"
            );
        }
    }
}
