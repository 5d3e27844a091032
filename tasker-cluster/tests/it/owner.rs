//! Owners that end badly: nothing of theirs keeps running, nothing blocks the next.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::{eventually, kept_in, one_value};

/// The example program, as an owner in a process of its own.
struct Owner {
    process: Child,
    postmaster: i32,
    directory: PathBuf,
}

impl Owner {
    fn start(directory: Option<&Path>) -> Self {
        let program = std::env::current_exe().unwrap();
        let program = program
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .join("examples/private_cluster");
        let mut process = Command::new(program)
            .args(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut value = |name: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(name).unwrap().trim().to_owned()
        };
        let postmaster = value("pid").parse().unwrap();
        let directory = value("directory").into();
        // The last line: the program must not find its output closed.
        value("url");
        Self {
            process,
            postmaster,
            directory,
        }
    }

    fn kill_9(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Alive and no zombie: where nobody reaps orphans, an ended process keeps its id.
fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let zombie = stat.is_ok_and(|text| text.contains(") Z "));
    kill(Pid::from_raw(pid), None).is_ok() && !zombie
}

#[test]
fn a_clean_end_of_the_owner_leaves_nothing() {
    let mut owner = Owner::start(None);
    drop(owner.process.stdin.take());
    assert!(owner.process.wait().unwrap().success());
    assert!(!is_alive(owner.postmaster));
    assert!(!owner.directory.exists());
}

#[test]
fn kill_9_of_the_owner_leaves_no_server_and_no_temporary_files() {
    let mut owner = Owner::start(None);
    assert!(is_alive(owner.postmaster));
    owner.kill_9();
    eventually("the server ends", || !is_alive(owner.postmaster));
    eventually("the files go", || !owner.directory.exists());
}

#[test]
fn after_kill_9_of_the_owner_the_next_one_finds_the_data() {
    let home = tempfile::tempdir().unwrap();
    let mut owner = Owner::start(Some(home.path()));
    owner.kill_9();
    // At once: the old server is perhaps still stopping.
    let cluster = kept_in(home.path());
    assert_eq!(one_value(&cluster, "SELECT 1"), "1");
    assert_ne!(cluster.pid(), u32::try_from(owner.postmaster).ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_lost_owner_and_watchdog_is_stopped_by_the_next_owner() {
    let home = tempfile::tempdir().unwrap();
    let mut owner = Owner::start(Some(home.path()));
    for watchdog in children_of(owner.process.id()) {
        if watchdog != owner.postmaster {
            kill(Pid::from_raw(watchdog), Signal::SIGKILL).unwrap();
        }
    }
    owner.kill_9();
    assert!(is_alive(owner.postmaster), "nobody was left to stop it");
    let cluster = kept_in(home.path());
    assert!(!is_alive(owner.postmaster));
    assert_eq!(one_value(&cluster, "SELECT 1"), "1");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pid_file_whose_pid_belongs_to_somebody_else_by_now_blocks_nobody() {
    let home = tempfile::tempdir().unwrap();
    let cluster = kept_in(home.path());
    let pid_file = cluster.directory().join("data/postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).unwrap();
    let ours = cluster.pid().unwrap().to_string();
    drop(cluster);
    std::fs::write(
        &pid_file,
        text.replace(&ours, &std::process::id().to_string()),
    )
    .unwrap();
    let cluster = kept_in(home.path());
    assert_eq!(one_value(&cluster, "SELECT 1"), "1");
}

#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<i32> {
    let parent = format!("PPid:\t{parent}\n");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            status.contains(&parent).then_some(pid)
        })
        .collect()
}
