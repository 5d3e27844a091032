//! Just enough of PostgreSQL's protocol to run a statement as the superuser.
//!
//! For creating roles and databases, where a client library would pull an async
//! runtime into this crate and `psql` is not installed everywhere. One connection per
//! call, over the unix socket, where the server trusts its owner; simple queries only;
//! every value comes back as text.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::error::{io_error, ClusterError};

/// Longest wait for one answer; creating a database copies a template.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const PROTOCOL_3_0: i32 = 196_608;

/// One row of a result; `None` is SQL's NULL.
pub type Row = Vec<Option<String>>;

/// Runs `sql`, which may be several statements, and returns the rows of all of them.
pub(crate) fn run(
    socket: &Path,
    user: &str,
    database: &str,
    sql: &str,
) -> Result<Vec<Row>, ClusterError> {
    let mut stream = UnixStream::connect(socket).map_err(io_error("connect to", socket))?;
    let talk = |stream: &mut UnixStream| -> Result<Vec<Row>, Failure> {
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.write_all(&startup_message(user, database)?)?;
        read_until_ready(stream)?;
        stream.write_all(&message(b'Q', &[sql])?)?;
        let rows = read_until_ready(stream)?;
        stream.write_all(&message(b'X', &[])?)?;
        Ok(rows)
    };
    talk(&mut stream).map_err(|failure| match failure {
        Failure::Io(source) => io_error("talk to", socket)(source),
        Failure::Refused(error) => error,
    })
}

enum Failure {
    Io(io::Error),
    Refused(ClusterError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn strange(what: impl Into<String>) -> Failure {
    Failure::Refused(ClusterError::Protocol { what: what.into() })
}

fn startup_message(user: &str, database: &str) -> Result<Vec<u8>, Failure> {
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    for text in [
        "user",
        user,
        "database",
        database,
        "application_name",
        "tasker-cluster",
    ] {
        push_text(&mut body, text)?;
    }
    body.push(0);
    let mut all = (body.len() as i32 + 4).to_be_bytes().to_vec();
    all.extend(body);
    Ok(all)
}

fn message(kind: u8, texts: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    for text in texts {
        push_text(&mut body, text)?;
    }
    let mut all = vec![kind];
    all.extend((body.len() as i32 + 4).to_be_bytes());
    all.extend(body);
    Ok(all)
}

fn push_text(body: &mut Vec<u8>, text: &str) -> Result<(), Failure> {
    if text.contains('\0') {
        return Err(strange("a NUL character can not be sent"));
    }
    body.extend(text.as_bytes());
    body.push(0);
    Ok(())
}

/// Reads messages up to `ReadyForQuery`; the first error wins over all rows.
fn read_until_ready(stream: &mut impl Read) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut refusal = None;
    loop {
        let mut head = [0; 5];
        if let Err(error) = stream.read_exact(&mut head) {
            // A refused start ends the connection without ReadyForQuery.
            return Err(refusal.map_or(Failure::Io(error), Failure::Refused));
        }
        let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let length = usize::try_from(length - 4).map_err(|_| strange("a negative length"))?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return refusal.map_or(Ok(rows), |error| Err(Failure::Refused(error))),
            b'D' => rows.push(row(&body).ok_or_else(|| strange("a malformed row"))?),
            b'E' => refusal = refusal.or_else(|| Some(server_error(&body))),
            b'R' if body != [0; 4] => return Err(strange("a request for a password")),
            _ => {}
        }
    }
}

fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut values = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        values.push(match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => None,
            Ok(length) => {
                let (value, tail) = rest.split_at_checked(length)?;
                rest = tail;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        });
    }
    Some(values)
}

fn server_error(body: &[u8]) -> ClusterError {
    let field = |wanted: u8| {
        body.split(|byte| *byte == 0)
            .find_map(|part| part.split_first().filter(|(kind, _)| **kind == wanted))
            .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    };
    ClusterError::Sql {
        sqlstate: field(b'C'),
        message: field(b'M'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_a_null_is_read() {
        let body = [0, 2, 0, 0, 0, 1, b'7', 255, 255, 255, 255];
        assert_eq!(row(&body), Some(vec![Some("7".to_owned()), None]));
        assert_eq!(row(&body[..6]), None);
    }

    #[test]
    fn a_nul_never_reaches_the_server() {
        assert!(message(b'Q', &["select 1\0; drop"]).is_err());
    }

    #[test]
    fn an_error_is_told_by_sqlstate_and_message() {
        let body = b"SERROR\0C42P04\0Mdatabase \"x\" already exists\0\0";
        let ClusterError::Sql { sqlstate, message } = server_error(body) else {
            unreachable!("server_error makes no other");
        };
        assert_eq!(
            (sqlstate.as_str(), message.as_str()),
            ("42P04", "database \"x\" already exists")
        );
    }
}
