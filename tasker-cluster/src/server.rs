//! One run of the `postgres` program: start, readiness, end.
//!
//! The server is a direct child in a process group of its own, so that Ctrl-C at a
//! terminal reaches the services first and the server only through its owner. A
//! server left by a previous owner is known by its pid file and command line.
//!
//! INVARIANT: the child is not reaped before the last signal to it, so a signal
//! never hits a process that happens to have got the same id.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::binaries::Binaries;
use crate::error::{io_error, ClusterError};
use crate::place::Place;
use crate::watchdog::Watchdog;

const POLL: Duration = Duration::from_millis(5);
const LOG_LINES: usize = 20;

/// Signals of an ever less polite end, and how long each is given.
const FAST: &[(Signal, Duration)] = &[
    (Signal::SIGINT, Duration::from_secs(30)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(10)),
];

/// A running postmaster.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    // After `child`: it is dismissed when the child has been waited for.
    _watchdog: Watchdog,
}

impl Server {
    /// Starts the program; it is not ready yet.
    pub(crate) fn spawn(binaries: &Binaries, place: &Place) -> Result<Self, ClusterError> {
        let log = place.new_log()?;
        let log_too = log.try_clone().map_err(io_error("open", &place.log()))?;
        let program = binaries.program("postgres");
        let mut command = Command::new(&program);
        command
            .arg("-D")
            .arg(place.data())
            .arg("-c")
            .arg(format!(
                "config_file={}",
                place.base.join("postgresql.conf").display()
            ))
            .current_dir(place.data())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .process_group(0);
        clean_environment(&mut command);
        place.account.apply(&mut command);
        let mut child = command.spawn().map_err(io_error("run", &program))?;
        let directories = place.temporary_paths();
        match Watchdog::stop_cluster_with_owner(child.id(), &place.pid_file(), &directories) {
            Ok(watchdog) => Ok(Self {
                child,
                _watchdog: watchdog,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io_error("run", Path::new("/bin/sh"))(error))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the server takes connections.
    pub(crate) fn wait_ready(
        &mut self,
        place: &Place,
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let begun = Instant::now();
        loop {
            if !self.is_running() {
                return Err(ClusterError::EndedAtStart {
                    log: log_tail(&place.log()),
                });
            }
            let status = PidFile::read(&place.pid_file());
            if status.is_some_and(|s| s.pid.as_raw() as u32 == self.child.id() && s.is_ready) {
                return Ok(());
            }
            if begun.elapsed() > timeout {
                return Err(ClusterError::NotReady {
                    waited_s: timeout.as_secs(),
                    log: log_tail(&place.log()),
                });
            }
            sleep(POLL);
        }
    }

    /// Ends the server, rolling back what is under way; politely first.
    pub(crate) fn stop(mut self) -> Result<(), ClusterError> {
        self.end(FAST)
    }

    /// Ends the server as a crash would: no checkpoint, recovery at the next start.
    pub(crate) fn kill_immediate(mut self) -> Result<(), ClusterError> {
        self.end(&FAST[1..])
    }

    fn end(&mut self, signals: &[(Signal, Duration)]) -> Result<(), ClusterError> {
        let pid = Pid::from_raw(self.child.id() as i32);
        for (signal, patience) in signals {
            if !self.is_running() {
                return Ok(());
            }
            let _ = kill(pid, *signal);
            if wait_until(*patience, || !self.is_running()) {
                return Ok(());
            }
        }
        Err(ClusterError::WouldNotStop { pid: pid.as_raw() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is there to hear of an error; the watchdog is no help either, it is
        // dismissed next.
        let _ = self.end(FAST);
    }
}

/// Stops a server that an owner which is gone left in `place`, and removes a pid file
/// that would keep a new one from starting.
pub(crate) fn clear_leftover(place: &Place) -> Result<(), ClusterError> {
    let data = place.data();
    let Some(PidFile { pid, .. }) = PidFile::read(&place.pid_file()) else {
        return Ok(());
    };
    for (signal, patience) in FAST {
        if !is_postmaster(pid, &data) {
            break;
        }
        let _ = kill(pid, *signal);
        wait_until(*patience, || !is_postmaster(pid, &data));
    }
    if is_postmaster(pid, &data) {
        return Err(ClusterError::WouldNotStop { pid: pid.as_raw() });
    }
    // PostgreSQL refuses to start while the pid in the file is alive, even when it is
    // somebody else's by now. The file may go once no process works in the directory.
    let path = place.pid_file();
    if path.exists() && kill(pid, None).is_ok() && nobody_works_in(&data) {
        fs::remove_file(&path).map_err(io_error("remove", &path))?;
    }
    Ok(())
}

/// The part of `postmaster.pid` that matters here.
struct PidFile {
    pid: Pid,
    is_ready: bool,
}

impl PidFile {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut lines = text.lines();
        let pid: i32 = lines.next()?.trim().parse().ok()?;
        // Line 8 says what the postmaster is doing.
        let is_ready = lines.nth(6).is_some_and(|line| line.trim() == "ready");
        (pid > 1).then(|| Self {
            pid: Pid::from_raw(pid),
            is_ready,
        })
    }
}

/// Whether `pid` is a postmaster that was started here for `data`.
fn is_postmaster(pid: Pid, data: &Path) -> bool {
    let needle = data.display().to_string();
    let proc_file = format!("/proc/{pid}/cmdline");
    let command_line = if Path::new("/proc/self").exists() {
        fs::read(proc_file).unwrap_or_default()
    } else {
        Command::new("ps")
            .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
            .output()
            .map(|output| output.stdout)
            .unwrap_or_default()
    };
    let text = String::from_utf8_lossy(&command_line);
    text.contains("postgres") && text.contains(&needle)
}

/// Whether no process has `data` as its working directory, as all of PostgreSQL's do.
/// Answers no where it can not tell.
fn nobody_works_in(data: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else {
        return false;
    };
    let mut links = processes.flatten().map(|entry| entry.path().join("cwd"));
    Path::new("/proc/self/cwd").exists()
        && !links.any(|link| fs::read_link(link).is_ok_and(|cwd| cwd == data))
}

fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if done() {
            return true;
        }
        if begun.elapsed() > patience {
            return false;
        }
        sleep(POLL);
    }
}

/// Keeps the caller's PostgreSQL client settings and its language out of the server.
pub(crate) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
}

/// The last lines of a log file, for messages.
pub(crate) fn log_tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
