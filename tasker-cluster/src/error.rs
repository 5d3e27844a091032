//! Everything that can go wrong with a private cluster, as one enum.
//!
//! The texts are written for a person at a terminal: each says what is wrong and
//! what to do, because `tasker dev` and `make demo` print them as they are.

use std::io;
use std::path::{Path, PathBuf};

/// Why a cluster could not be made, started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No usable PostgreSQL programs anywhere.
    #[error(
        "no PostgreSQL {oldest} or newer was found: install the server programs \
         (Debian and Ubuntu: `apt-get install postgresql`, macOS: `brew install postgresql@17`) \
         or set TASKER_PG_BIN to the directory that holds `initdb` and `postgres`{}",
        rejected_text(.rejected)
    )]
    NotInstalled {
        /// Oldest acceptable major version.
        oldest: u32,
        /// Directories that were looked at and why they do not do.
        rejected: Vec<String>,
    },
    /// The directory that was named explicitly does not hold usable programs.
    #[error("{} is not a directory of PostgreSQL programs: {reason}", .path.display())]
    BadBinDirectory {
        /// The directory as named.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The data directory was made by another major version than any installed one.
    #[error(
        "the cluster in {} was made by PostgreSQL {made_by}, and only {found} is installed here: \
         install PostgreSQL {made_by} or remove that directory",
        .directory.display()
    )]
    VersionMismatch {
        /// The cluster's directory.
        directory: PathBuf,
        /// Major version of the data.
        made_by: u32,
        /// Installed major versions, for the message.
        found: String,
    },
    /// Another live process owns this cluster.
    #[error("the cluster in {} is in use by another process", .directory.display())]
    InUse {
        /// The cluster's directory.
        directory: PathBuf,
    },
    /// The cluster's directory belongs to somebody else.
    #[error(
        "the cluster in {} belongs to the account of uid {owner}: run this as that account \
         or use another directory",
        .directory.display()
    )]
    ForeignDirectory {
        /// The cluster's directory.
        directory: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Running as root, and there is no account to run PostgreSQL under.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a `postgres` nor a `nobody` \
         account to run it under: run this as an ordinary user"
    )]
    NoUnprivilegedAccount,
    /// Running as root, and no directory was found that the other account can enter.
    #[error("no directory was found that the account of uid {uid} can enter to keep a cluster in")]
    NoReachableDirectory {
        /// The account PostgreSQL would run under.
        uid: u32,
    },
    /// `initdb` failed.
    #[error("initdb failed: {output}")]
    Initdb {
        /// What it printed.
        output: String,
    },
    /// The server ended while it was being started.
    #[error("PostgreSQL ended while starting; the end of its log:\n{log}")]
    EndedAtStart {
        /// Last lines of the server log.
        log: String,
    },
    /// The server did not get ready in time.
    #[error("PostgreSQL was not ready after {waited_s} s; the end of its log:\n{log}")]
    NotReady {
        /// How long was waited.
        waited_s: u64,
        /// Last lines of the server log.
        log: String,
    },
    /// A process would not end.
    #[error("PostgreSQL process {pid} did not end")]
    WouldNotStop {
        /// Process id of the postmaster.
        pid: i32,
    },
    /// A setting's name is not one that postgresql.conf can hold.
    #[error("`{name}` is not a name of a PostgreSQL setting")]
    BadSetting {
        /// The name as given.
        name: String,
    },
    /// The server refused a statement.
    #[error("PostgreSQL refused a statement: {message} (SQLSTATE {sqlstate})")]
    Sql {
        /// Five-character SQLSTATE.
        sqlstate: String,
        /// The server's message.
        message: String,
    },
    /// The server said something this crate does not understand.
    #[error("unexpected answer of PostgreSQL: {what}")]
    Protocol {
        /// What was unexpected.
        what: String,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

fn rejected_text(rejected: &[String]) -> String {
    if rejected.is_empty() {
        String::new()
    } else {
        format!(" (looked at {})", rejected.join("; "))
    }
}

/// Shorthand for `map_err`: names the action and the path of a failed system call.
pub(crate) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> ClusterError + 'a {
    move |source| ClusterError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
