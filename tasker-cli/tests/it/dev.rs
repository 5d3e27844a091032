//! `tasker dev`: as the service of other tests, and with clusters of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tasker_testkit::{ServiceBuilder, ServiceProcess, TestDatabase};

use crate::program::{run, run_in, Ran};

pub(crate) const START: Duration = Duration::from_secs(60);
/// What a drain may take, and what a busy machine adds.
const END: Duration = Duration::from_secs(15);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// `tasker dev` on a database of the test.
pub(crate) struct Dev {
    process: ServiceProcess,
    pub(crate) database: TestDatabase,
    url: String,
}

impl Dev {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::empty().await.unwrap();
        let mut process = ServiceProcess::binary("tasker")
            .unwrap()
            .arg("dev")
            .arg("--database-url")
            .arg(database.url())
            .arg("--config-dir")
            .arg(repository().join("config"))
            .arg("--port=0")
            .arg("--worker-port=0")
            .start()
            .unwrap();
        let address = process.wait_for_address("api  ", START).await.unwrap();
        Self {
            process,
            database,
            url: format!("http://{address}"),
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&[&["--url", &self.url], arguments].concat())
    }

    /// The answer of a verb with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    pub(crate) fn verify(&self) -> Ran {
        self.run(&[
            "verify",
            "--set",
            &format!("database.url={}", self.database.url()),
        ])
    }

    pub(crate) async fn end(mut self) {
        self.process.terminate().unwrap();
        let status = self.process.wait_exit(END).await.unwrap();
        assert!(status.success(), "{status}\n{}", self.process.output());
    }
}

/// Directory of the unix socket in a URL that a process printed.
fn socket(line: &str) -> PathBuf {
    let tail = line.split("host=").nth(1).unwrap();
    PathBuf::from(tail.split('&').next().unwrap())
}

async fn dev_with_cluster(
    arguments: &[&str],
    directory: &Path,
) -> (ServiceProcess, String, PathBuf) {
    let common = ["dev", "--port=0", "--worker-port=0"];
    let program = ServiceProcess::binary("tasker")
        .unwrap()
        .current_dir(directory);
    let program = common
        .iter()
        .chain(arguments)
        .fold(program, ServiceBuilder::arg);
    let mut process = program.start().unwrap();
    let address = process.wait_for_address("api  ", START).await.unwrap();
    let database = process.wait_for_line("database  ", START).await.unwrap();
    (process, format!("http://{address}"), socket(&database))
}

#[tokio::test]
async fn a_private_cluster_stays_unless_it_is_ephemeral() {
    let directory = tempfile::tempdir().unwrap();
    for kept in [true, true, false] {
        let arguments: &[&str] = if kept { &[] } else { &["--ephemeral"] };
        let (mut process, url, socket) = dev_with_cluster(arguments, directory.path()).await;
        let submitted = run(&["--url", &url, "template", "list", "--json"]);
        assert_eq!(submitted.code, 0, "{}", submitted.stderr);
        if kept {
            // A second one on the same data is told what to do.
            let second = run_in(
                directory.path(),
                &["dev", "--port", "0", "--worker-port", "0"],
            );
            assert_eq!(second.code, 4, "{}", second.stderr);
            assert!(second.stderr.contains("--ephemeral"), "{}", second.stderr);
        }
        process.terminate().unwrap();
        assert!(
            process.wait_exit(END).await.unwrap().success(),
            "{}",
            process.output()
        );
        let sockets = std::fs::read_dir(&socket).map_or(0, |entries| entries.flatten().count());
        assert_eq!(
            sockets,
            0,
            "the server of {} is still there",
            socket.display()
        );
        assert!(directory.path().join(".tasker/pg").exists());
    }
}
