//! Runs a command on a private PostgreSQL cluster: `with-cluster -- cargo test`.
//!
//! The command finds the server in `TASKER_TEST_DATABASE_URL` and its superuser in
//! `TASKER_TEST_ADMIN_URL`. When the command ends, the cluster is stopped and removed,
//! and the exit code is the command's; when this program is killed, the cluster goes too.
//!
//! `with-cluster --durable -- ...` gives it the settings of development and benchmarks
//! (fsync, autovacuum) in place of those of tests.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{bail, Context as _, Result};
use tasker_cluster::{Cluster, Settings};
use tasker_testkit::DATABASE_URL_VARIABLE;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        // Returned from main, it would come with a backtrace where those are on.
        eprintln!("with-cluster: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let mut arguments = env::args_os().skip(1).peekable();
    let durable = arguments.next_if(|first| first == "--durable").is_some();
    let settings = if durable {
        Settings::dev()
    } else {
        Settings::test()
    };
    if arguments.peek().is_some_and(|first| first == "--") {
        arguments.next();
    }
    let Some(program) = arguments.next() else {
        bail!("usage: with-cluster [--durable] -- COMMAND [ARGUMENT]...");
    };
    let cluster = Cluster::builder().settings(settings).start()?;
    eprintln!(
        "PostgreSQL {} runs in {}",
        cluster.major_version(),
        cluster.directory().display()
    );
    let status = Command::new(&program)
        .args(arguments)
        .env(DATABASE_URL_VARIABLE, cluster.url("postgres"))
        .env("TASKER_TEST_ADMIN_URL", cluster.admin_url("postgres"))
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    drop(cluster);
    Ok(exit_code(status))
}

/// As a shell has it: the code, or 128 and the signal.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
