//! Running the program, away from the configuration of whoever runs the tests.

use std::path::Path;
use std::process::{Command, Stdio};

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, without the variables that it reads.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tasker"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text != "TASKER_PG_BIN" && (text.starts_with("TASKER") || text == "DATABASE_URL") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs the program in `directory` to its end.
pub(crate) fn run_in(directory: &Path, arguments: &[&str]) -> Ran {
    let output = command()
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs the program in an empty directory.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_in(tempfile::tempdir().unwrap().path(), arguments)
}
