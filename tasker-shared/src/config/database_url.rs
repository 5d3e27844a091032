//! What may be said about a database URL, and which ones are refused.
//!
//! Only host, port, database and user are ever shown, picked one by one: a URL
//! with its password blanked out would still reveal `?password=`, a password in
//! a path, or whatever the next parameter is called.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::error::{ConfigError, ConfigProblem};
use super::origin::Origin;
use super::secret::Secret;
use super::sections::Database;

/// The parameters the driver understands. It logs an unknown one with its value,
/// so a misspelt `password` would end up in a log: those are refused here.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

impl Database {
    /// Host, port, database and user, for logs and messages; nothing else.
    pub fn describe(&self) -> String {
        let Some(url) = &self.url else {
            return "no database configured".to_owned();
        };
        let Ok(options) = PgConnectOptions::from_str(url.expose()) else {
            return "a database URL that cannot be read".to_owned();
        };
        let host = options.get_socket().map_or_else(
            || options.get_host().to_owned(),
            |socket| socket.display().to_string(),
        );
        format!(
            "host={host} port={} database={} user={}",
            options.get_port(),
            options.get_database().unwrap_or(options.get_username()),
            options.get_username(),
        )
    }

    /// The URL, or an error that says how to give one.
    pub fn require_url(&self) -> Result<&Secret<String>, ConfigError> {
        self.url.as_ref().ok_or_else(|| {
            ConfigError::one(ConfigProblem::of_key(
                &Origin::BuiltIn,
                "database.url",
                "database_url_missing",
                "is not set; give --database-url, TASKER__DATABASE__URL or DATABASE_URL, \
                 for example postgres://user@localhost:5432/tasker",
            ))
        })
    }
}

/// Refuses what the driver could not use or would not keep to itself. The reason
/// never quotes the URL.
pub(super) fn check(url: &str) -> Result<(), String> {
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err("must begin with postgres:// or postgresql://".to_owned());
    }
    if url.contains('#') {
        return Err("must not contain #; write it as %23".to_owned());
    }
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for parameter in query.split('&').filter(|part| !part.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !(PARAMETERS.contains(&name) || name.starts_with("options[")) {
            return Err(format!(
                "has a parameter the driver does not know (a ? in a password is written %3F); \
                 known: {}",
                PARAMETERS.join(", ")
            ));
        }
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        "cannot be read; expected postgres://user:password@host:port/database with special \
         characters percent-encoded"
            .to_owned()
    })?;
    // An unescaped "/" in a password moves the rest of it into the path.
    if options
        .get_database()
        .is_some_and(|name| name.contains(['/', '@']))
    {
        return Err(
            "has / or @ in the name of the database; in a password they are written %2F and %40"
                .to_owned(),
        );
    }
    Ok(())
}
