//! Ends a child process when its owner is gone, even by `kill -9`.
//!
//! The owner holds the writing end of a pipe, and a small shell reads from it. The
//! kernel closes the pipe when the owner ends, however it ends; the shell then sees
//! the end of its input and acts. Rejected: `PR_SET_PDEATHSIG`, which needs `unsafe`,
//! is Linux only, and fires when the starting *thread* ends.
//!
//! INVARIANT: a dismissed watchdog does nothing. The owner dismisses it after it has
//! reaped the child, because only then may the process id belong to somebody else.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Arguments: process id. For processes that need no care.
const KILL: &str = r#"
trap '' HUP INT TERM
if read -r word; then exit 0; fi
kill -KILL "$1" 2>/dev/null
"#;

/// Arguments: process id of the postmaster, its pid file, directories to remove.
/// The pid file is removed by the postmaster when it ends and names it until then.
const STOP_CLUSTER: &str = r#"
trap '' HUP INT TERM
if read -r word; then exit 0; fi
pid=$1 file=$2
shift 2
alive() {
    read -r first <"$file" && [ "$first" = "$pid" ] && kill -0 "$pid"
}
for signal in INT QUIT KILL; do
    alive || break
    kill -"$signal" "$pid"
    n=0
    while [ "$n" -lt 100 ] && alive; do sleep 0.1; n=$((n + 1)); done
done
[ "$#" -eq 0 ] || rm -rf -- "$@"
"#;

/// A process that outlives its owner just long enough to clean up after it.
///
/// Dropping it dismisses it.
#[derive(Debug)]
pub struct Watchdog(Child);

impl Watchdog {
    /// Kills the process `pid`, a child of the caller, when the caller is gone.
    ///
    /// Drop it once that child has been waited for.
    pub fn kill_with_owner(pid: u32) -> io::Result<Self> {
        Self::start(KILL, [OsStr::new(&pid.to_string())])
    }

    /// Stops a postmaster and removes `directories` when the caller is gone.
    pub(crate) fn stop_cluster_with_owner(
        pid: u32,
        pid_file: &Path,
        directories: &[&Path],
    ) -> io::Result<Self> {
        let pid = pid.to_string();
        let mut arguments = vec![OsStr::new(&pid), pid_file.as_os_str()];
        arguments.extend(directories.iter().map(|path| path.as_os_str()));
        Self::start(STOP_CLUSTER, arguments)
    }

    fn start<'a>(script: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> io::Result<Self> {
        Command::new("/bin/sh")
            .args(["-c", script, "tasker-watchdog"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own group, so that Ctrl-C at a terminal does not end it first.
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // It fails only when the shell is gone already: then nothing is left to do.
            let _ = pipe.write_all(b"dismissed\n");
        }
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn a_dismissed_watchdog_leaves_the_process_alone() {
        let mut child = sleeper();
        drop(Watchdog::kill_with_owner(child.id()).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_end_of_the_pipe_kills_the_process() {
        use std::os::unix::process::ExitStatusExt as _;
        let mut child = sleeper();
        let mut watchdog = Watchdog::kill_with_owner(child.id()).unwrap();
        drop(watchdog.0.stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
