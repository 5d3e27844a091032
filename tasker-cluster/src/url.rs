//! Connection URLs, in the form that libpq and sqlx both read.

use std::fmt::Write as _;
use std::path::Path;

/// A URL for a unix socket. The host in it is a placeholder that `host=` overrides.
pub(crate) fn socket_url(
    user: &str,
    password: &str,
    database: &str,
    socket: &Path,
    port: u16,
) -> String {
    let user = with_password(user, password);
    format!(
        "postgres://{user}@localhost/{}?host={}&port={port}&sslmode=disable",
        encode(database),
        encode(&socket.to_string_lossy()),
    )
}

/// A URL for the loopback address.
pub(crate) fn tcp_url(user: &str, password: &str, database: &str, port: u16) -> String {
    let user = with_password(user, password);
    format!(
        "postgres://{user}@127.0.0.1:{port}/{}?sslmode=disable",
        encode(database)
    )
}

fn with_password(user: &str, password: &str) -> String {
    if password.is_empty() {
        encode(user)
    } else {
        format!("{}:{}", encode(user), encode(password))
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, and `/`.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_characters_stay_in_their_part() {
        let url = socket_url("a@b", "p/w?", "my db", Path::new("/tmp/x y&z"), 5432);
        assert_eq!(
            url,
            "postgres://a%40b:p/w%3F@localhost/my%20db?host=/tmp/x%20y%26z&port=5432&sslmode=disable"
        );
    }
}
