//! A running private cluster: URLs, databases, and faults on demand.
//!
//! Who gets in: over the unix socket, in a directory that only its owner can enter,
//! both roles without a password; over loopback TCP only the ordinary role, with a
//! password that is new at every start and stored nowhere.
//!
//! The ordinary role may create databases and is no superuser, so whatever runs on
//! such a cluster shows that it needs none.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries::Binaries;
use crate::builder::{free_port, ClusterBuilder};
use crate::error::ClusterError;
use crate::place::Place;
use crate::server::{log_tail, Server};
use crate::settings::quote;
use crate::sql::{self, Row};
use crate::url::{socket_url, tcp_url};

/// The role that owns the cluster; reachable over the socket only.
pub(crate) const SUPERUSER: &str = "postgres";
/// The role that applications use.
const ROLE: &str = "tasker";
const MAINTENANCE_DATABASE: &str = "postgres";
/// Another process can take a port between its choice and its use.
const PORT_ATTEMPTS: u32 = 5;

/// A private PostgreSQL cluster. Dropping it stops the server, and removes the files
/// of a temporary one.
pub struct Cluster {
    // Before `place`: the server ends before its files go away.
    server: Option<Server>,
    place: Place,
    binaries: Binaries,
    settings: String,
    password: String,
    port: u16,
    start_timeout: Duration,
}

impl Cluster {
    /// Starts with the default choices: temporary, [`crate::Settings::dev`].
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    pub(crate) fn start(
        place: Place,
        binaries: Binaries,
        settings: String,
        password: String,
        start_timeout: Duration,
    ) -> Result<Self, ClusterError> {
        let mut cluster = Self {
            server: None,
            place,
            binaries,
            settings,
            password,
            port: 0,
            start_timeout,
        };
        let mut attempt = 1;
        loop {
            cluster.port = free_port()?;
            match cluster.launch() {
                Ok(()) => return Ok(cluster),
                Err(ClusterError::EndedAtStart { log })
                    if attempt < PORT_ATTEMPTS && log.contains("could not bind") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn launch(&mut self) -> Result<(), ClusterError> {
        self.write_configuration()?;
        let mut server = Server::spawn(&self.binaries, &self.place)?;
        server.wait_ready(&self.place, self.start_timeout)?;
        self.server = Some(server);
        self.admin(&format!(
            "DO $$ BEGIN IF to_regrole('{ROLE}') IS NULL THEN CREATE ROLE {ROLE}; END IF; END $$; \
             ALTER ROLE {ROLE} LOGIN CREATEDB PASSWORD '{}'",
            self.password,
        ))?;
        Ok(())
    }

    fn write_configuration(&self) -> Result<(), ClusterError> {
        let hba = format!("local all all trust\nhost all {ROLE} 127.0.0.1/32 scram-sha-256\n");
        self.place.write("pg_hba.conf", &hba)?;
        let hba_path = self.place.base.join("pg_hba.conf");
        // A list of directories: a name with a comma or blank needs its own quotes.
        let sockets = self.place.socket.display().to_string().replace('"', "\"\"");
        let text = format!(
            "# Written at every start. Lasting changes: ALTER SYSTEM, or data/postgresql.conf.\n\
             include 'data/postgresql.conf'\n\
             {}\
             hba_file = {}\n\
             listen_addresses = '127.0.0.1'\n\
             port = {}\n\
             unix_socket_directories = {}\n\
             logging_collector = off\n\
             log_destination = 'stderr'\n",
            self.settings,
            quote(&hba_path.display().to_string()),
            self.port,
            quote(&format!("\"{sockets}\"")),
        );
        self.place.write("postgresql.conf", &text)
    }

    /// URL of `database` for the ordinary role, over the unix socket: for processes of
    /// this user. The same until the cluster is dropped, restarts included.
    pub fn url(&self, database: &str) -> String {
        socket_url(
            ROLE,
            &self.password,
            database,
            &self.place.socket,
            self.port,
        )
    }

    /// URL of `database` for the ordinary role, over loopback TCP: for whatever can not
    /// use the socket.
    pub fn tcp_url(&self, database: &str) -> String {
        tcp_url(ROLE, &self.password, database, self.port)
    }

    /// URL of `database` for the superuser, over the unix socket.
    pub fn admin_url(&self, database: &str) -> String {
        socket_url(SUPERUSER, "", database, &self.place.socket, self.port)
    }

    /// Creates an empty database that belongs to the ordinary role.
    pub fn create_database(&self, name: &str) -> Result<(), ClusterError> {
        let name = quote_identifier(name);
        self.admin(&format!("CREATE DATABASE {name} OWNER {ROLE}"))
            .map(drop)
    }

    /// Creates a database unless it exists; says whether it did.
    pub fn ensure_database(&self, name: &str) -> Result<bool, ClusterError> {
        match self.create_database(name) {
            Ok(()) => Ok(true),
            Err(ClusterError::Sql { sqlstate, .. }) if sqlstate == "42P04" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Drops a database, ending the connections to it. A missing one is no error.
    pub fn drop_database(&self, name: &str) -> Result<(), ClusterError> {
        let name = quote_identifier(name);
        self.admin(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .map(drop)
    }

    /// Runs SQL in `database` as the superuser and returns all rows, values as text.
    pub fn execute(&self, database: &str, sql: &str) -> Result<Vec<Row>, ClusterError> {
        let socket = self.place.socket.join(format!(".s.PGSQL.{}", self.port));
        sql::run(&socket, SUPERUSER, database, sql)
    }

    fn admin(&self, sql: &str) -> Result<Vec<Row>, ClusterError> {
        self.execute(MAINTENANCE_DATABASE, sql)
    }

    /// Stops the server with a fast shutdown and keeps the data. Stopping a stopped
    /// cluster does nothing.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        self.server.take().map_or(Ok(()), Server::stop)
    }

    /// Ends the server as a crash would; what was committed is recovered at
    /// [`Cluster::restart`].
    pub fn kill_immediate(&mut self) -> Result<(), ClusterError> {
        self.server.take().map_or(Ok(()), Server::kill_immediate)
    }

    /// Stops the server if it runs and starts it again, at the same addresses.
    pub fn restart(&mut self) -> Result<(), ClusterError> {
        self.stop()?;
        self.launch()
    }

    /// Whether the server process is there.
    pub fn is_running(&mut self) -> bool {
        self.server.as_mut().is_some_and(Server::is_running)
    }

    /// Process id of the postmaster while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Loopback TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// PostgreSQL's major version.
    pub fn major_version(&self) -> u32 {
        self.binaries.major
    }

    /// Where the cluster's files really are.
    pub fn directory(&self) -> &Path {
        &self.place.base
    }

    /// The server's log.
    pub fn log_file(&self) -> PathBuf {
        self.place.log()
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        log_tail(&self.place.log())
    }
}

impl fmt::Debug for Cluster {
    // Written by hand to keep the password out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("directory", &self.place.base)
            .field("major_version", &self.binaries.major)
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
