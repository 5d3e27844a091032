//! What a caller may choose about a cluster, and how it comes to life.

use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::binaries::{self, Binaries};
use crate::cluster::{Cluster, SUPERUSER};
use crate::error::{io_error, ClusterError};
use crate::place::Place;
use crate::server::{clean_environment, clear_leftover};
use crate::settings::Settings;

/// Choices for a [`Cluster`]; every one has a default.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ClusterBuilder {
    directory: Option<PathBuf>,
    bin_dir: Option<PathBuf>,
    settings: Settings,
    start_timeout: Option<Duration>,
}

impl ClusterBuilder {
    /// Keeps the cluster in `directory`, made if needed and used again next time.
    /// Without it the cluster is temporary and its files go away with it.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Uses the programs in this directory and no other, whatever `TASKER_PG_BIN` says.
    pub fn bin_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.bin_dir = Some(directory.into());
        self
    }

    /// Server settings; [`Settings::dev`] without this call.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Longest wait for the server to take connections (60 s), crash recovery included.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = Some(timeout);
        self
    }

    /// Starts the cluster, after `initdb` where there are no data yet, and returns once
    /// it takes connections. Blocks for about a second the first time.
    ///
    /// A server that a killed owner left in the directory is stopped first. A directory
    /// that a living process uses is [`ClusterError::InUse`].
    pub fn start(self) -> Result<Cluster, ClusterError> {
        let place = match &self.directory {
            Some(directory) => Place::persistent(directory)?,
            None => Place::temporary()?,
        };
        let settings = self.settings.render()?;
        let binaries = binaries::find(self.bin_dir.as_deref(), place.made_by(), &place.base)?;
        clear_leftover(&place)?;
        if place.made_by().is_none() {
            initdb(&binaries, &place)?;
        }
        let timeout = self.start_timeout.unwrap_or(Duration::from_secs(60));
        Cluster::start(place, binaries, settings, random_password()?, timeout)
    }
}

fn initdb(binaries: &Binaries, place: &Place) -> Result<(), ClusterError> {
    let data = place.new_data()?;
    let program = binaries.program("initdb");
    let mut command = Command::new(&program);
    command
        .arg("-D")
        .arg(&data)
        .args(["--username", SUPERUSER, "--encoding=UTF8", "--locale=C"])
        // Who may connect is in the file that is written at every start.
        .args([
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-instructions",
        ])
        .current_dir(&data)
        .stdin(Stdio::null());
    clean_environment(&mut command);
    place.account.apply(&mut command);
    let output = command.output().map_err(io_error("run", &program))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(ClusterError::Initdb {
            output: text.trim().to_owned(),
        });
    }
    place.adopt_data(&data)
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, ClusterError> {
    let probe = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
    let address = probe().map_err(io_error("bind a port of", Path::new("127.0.0.1")))?;
    Ok(address.port())
}

fn random_password() -> Result<String, ClusterError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(io_error("read", path))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
