//! What can go wrong between the engine and its database.
//!
//! One table says for each error which code a caller sees and what to do about
//! it. The text of a database error is for the log; callers of the API get the
//! code and a sentence without SQL.

use std::time::Duration;

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The same call may succeed at once: deadlock, serialization failure.
    Retry,
    /// The database is away or overloaded: wait, then try again.
    RetryAfter,
    /// Another writer was first.
    Conflict,
    /// The call itself is wrong: it will never succeed.
    Reject,
    /// A defect, or a database that is not what it should be.
    Fatal,
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no database is configured: set database.url or DATABASE_URL")]
    NoDatabase,
    #[error("database.url cannot be read: expected postgres://user:password@host:port/database")]
    BadUrl,
    #[error("the database did not answer within {after:?}")]
    Timeout { after: Duration },
    #[error("the process is shutting down")]
    ShuttingDown,
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("template definition {definition_id} is missing from tasker.templates")]
    MissingDefinition { definition_id: i64 },
    #[error("template definition {definition_id} cannot be read: {problem}")]
    UnreadableDefinition { definition_id: i64, problem: String },
    #[error("the message queue: {0}")]
    Queue(#[from] pgmq::PgmqError),
}

impl StoreError {
    /// SQLSTATE, if the server answered with one.
    pub fn sqlstate(&self) -> Option<String> {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return None;
        };
        error.code().map(std::borrow::Cow::into_owned)
    }

    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoDatabase | Self::BadUrl => ErrorClass::Reject,
            Self::MissingDefinition { .. } | Self::UnreadableDefinition { .. } => ErrorClass::Fatal,
            Self::Timeout { .. } | Self::ShuttingDown | Self::Queue(_) => ErrorClass::RetryAfter,
            Self::Database(error) => class_of_database(error),
        }
    }

    /// Stable code for callers.
    pub fn code(&self) -> &'static str {
        match self.class() {
            ErrorClass::Retry => "TSK-3001",
            ErrorClass::RetryAfter => "TSK-3002",
            ErrorClass::Conflict => "TSK-3003",
            ErrorClass::Reject => "TSK-3004",
            ErrorClass::Fatal => "TSK-3005",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self.class(), ErrorClass::Retry | ErrorClass::RetryAfter)
    }
}

fn class_of_database(error: &sqlx::Error) -> ErrorClass {
    match error {
        sqlx::Error::Database(told) => told
            .code()
            .map_or(ErrorClass::Fatal, |code| class_of(&code)),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => ErrorClass::RetryAfter,
        _ => ErrorClass::Fatal,
    }
}

/// SQLSTATE classes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn class_of(sqlstate: &str) -> ErrorClass {
    match sqlstate {
        "40001" | "40P01" | "55P03" => ErrorClass::Retry,
        "23505" | "23P01" => ErrorClass::Conflict,
        // Read-only: a standby before its promotion. 57014: statement timeout.
        "25006" | "57014" => ErrorClass::RetryAfter,
        _ => match sqlstate.get(..2) {
            // Connection, resources (disk full, too many connections), operator
            // intervention (shutdown, crash), system error.
            Some("08" | "53" | "57" | "58") => ErrorClass::RetryAfter,
            Some("22" | "23") => ErrorClass::Reject,
            _ => ErrorClass::Fatal,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{class_of, ErrorClass};

    #[test]
    fn sqlstates_are_classed() {
        for (state, class) in [
            ("40P01", ErrorClass::Retry),
            ("23505", ErrorClass::Conflict),
            ("53100", ErrorClass::RetryAfter),
            ("57P01", ErrorClass::RetryAfter),
            ("08006", ErrorClass::RetryAfter),
            ("22P05", ErrorClass::Reject),
            ("42P01", ErrorClass::Fatal),
        ] {
            assert_eq!(class_of(state), class, "{state}");
        }
    }
}
