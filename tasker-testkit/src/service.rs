//! One of our programs as a process of its own: started, watched, and hurt.
//!
//! Its output is captured and shown when the test fails. It is killed when the test
//! drops it, and also when the test process itself is killed.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{bail, Context as _, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tasker_cluster::Watchdog;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::eventually::within;

/// More lines than a person reads, few enough to keep.
const KEPT_LINES: usize = 5_000;
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

type Lines = Arc<Mutex<VecDeque<String>>>;

/// A program to start; arguments and environment as for [`Command`].
#[derive(Debug)]
#[must_use]
pub struct ServiceBuilder {
    name: String,
    command: Command,
}

/// A started program.
#[derive(Debug)]
pub struct ServiceProcess {
    name: String,
    child: Child,
    lines: Lines,
    readers: Vec<JoinHandle<()>>,
    // After `child`: dismissed once the child has been waited for.
    _watchdog: Watchdog,
}

impl ServiceBuilder {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.command.current_dir(directory.into());
        self
    }

    /// Starts the program.
    pub fn start(mut self) -> Result<ServiceProcess> {
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.name))?;
        let watchdog = match Watchdog::kill_with_owner(child.id()) {
            Ok(watchdog) => watchdog,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error).context("cannot run a watchdog");
            }
        };
        let lines = Lines::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(capture(stdout, Arc::clone(&lines)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(capture(stderr, Arc::clone(&lines)));
        }
        Ok(ServiceProcess {
            name: self.name,
            child,
            lines,
            readers,
            _watchdog: watchdog,
        })
    }
}

fn capture(output: impl Read + Send + 'static, lines: Lines) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(text);
            line.clear();
        }
    })
}

impl ServiceProcess {
    /// A binary of this workspace, found beside the running test. The variables of
    /// Tasker and of PostgreSQL's clients are kept from it, so that a test means the
    /// same in every shell; where PostgreSQL's programs are, it may know.
    pub fn binary(name: &str) -> Result<ServiceBuilder> {
        let this_program = std::env::current_exe()?;
        let path = this_program
            .ancestors()
            .skip(1)
            .take(2)
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
            .with_context(|| format!("{name} is not built: run `cargo build --workspace` first"))?;
        let mut command = Command::new(path);
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            let foreign =
                text.starts_with("TASKER_") || text.starts_with("PG") || text == "DATABASE_URL";
            if foreign && text != "TASKER_PG_BIN" {
                command.env_remove(&variable);
            }
        }
        Ok(ServiceBuilder {
            name: name.to_owned(),
            command,
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything the process wrote so far, standard output and error together.
    pub fn output(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for a line that holds `text`, and returns it.
    pub async fn wait_for_line(&mut self, text: &str, deadline: Duration) -> Result<String> {
        let what = format!("{} writes {text:?}", self.name);
        let this = &mut *self;
        let found = within(&what, deadline, || {
            // In this order, and only when all it wrote has been read, so that the
            // last words of a process that ends are seen.
            let ended = !this.is_running() && this.readers.iter().all(JoinHandle::is_finished);
            let lines = this.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.iter().find(|line| line.contains(text)).cloned();
            let answer = (line.is_some() || ended).then_some(line);
            async { answer }
        });
        match found.await? {
            Some(line) => Ok(line),
            None => bail!("{} ended:\n{}", self.name, self.output()),
        }
    }

    /// Waits for a line that holds `text` and a loopback address with its port, as
    /// services log it that were told to take port 0.
    pub async fn wait_for_address(&mut self, text: &str, deadline: Duration) -> Result<SocketAddr> {
        let line = self.wait_for_line(text, deadline).await?;
        address_in(&line).with_context(|| format!("no address in {line:?}"))
    }

    /// Waits until `GET path` at `address` answers with `status`.
    pub async fn wait_for_status(
        &mut self,
        address: SocketAddr,
        path: &str,
        status: u16,
        deadline: Duration,
    ) -> Result<()> {
        let what = format!("{} answers GET {path} with {status}", self.name);
        let this = &mut *self;
        let answer = within(&what, deadline, || {
            let ended = !this.is_running();
            async move {
                let answered = http_status(address, path).await.ok() == Some(status);
                (answered || ended).then_some(answered)
            }
        });
        if !answer.await? {
            bail!("{} ended:\n{}", self.name, self.output());
        }
        Ok(())
    }

    /// SIGKILL: the process ends at once and cleans nothing up.
    pub fn kill_9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM: asks the process to drain and end.
    pub fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// SIGSTOP: the process stands still, its connections stay open.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT: ends a [`ServiceProcess::pause`].
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        if !self.is_running() {
            bail!("{} has ended", self.name);
        }
        // Not reaped yet, so the id is still its own.
        kill(Pid::from_raw(self.child.id() as i32), signal)?;
        Ok(())
    }

    /// Waits for the process to end.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        let ended = within(&what, deadline, || {
            let ended = child.try_wait().transpose();
            async { ended }
        });
        Ok(ended.await??)
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- output of {} ---\n{}\n---", self.name, self.output());
        }
    }
}

/// The first `127.0.0.1:port` in a line, whatever quotes or escapes are around it.
fn address_in(line: &str) -> Option<SocketAddr> {
    let tail = &line[line.find("127.0.0.1:")?..];
    let end = tail.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    tail[..end.unwrap_or(tail.len())].parse().ok()
}

/// Status of a GET, by hand: a test kit needs no HTTP client for its readiness probe.
async fn http_status(address: SocketAddr, path: &str) -> Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        Ok::<_, std::io::Error>(head)
    };
    let head = timeout(PROBE_TIMEOUT, exchange).await??;
    let text = std::str::from_utf8(&head)?;
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .context("no HTTP/1.1 answer")?;
    Ok(status.parse()?)
}

/// A loopback port that was free a moment ago. Prefer port 0 where a service says
/// which port it got: another process may take this one first.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_json_and_in_plain_text() {
        let expected: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        for line in [
            r#"{"level":"INFO","address":"127.0.0.1:4711","message":"listening"}"#,
            "INFO listening on http://127.0.0.1:4711/ now",
            "listening address=127.0.0.1:4711",
        ] {
            assert_eq!(address_in(line), Some(expected), "{line}");
        }
        assert_eq!(address_in("listening on 0.0.0.0:4711"), None);
    }
}
