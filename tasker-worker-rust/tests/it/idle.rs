//! What services ask of the database while there is nothing to do.
//!
//! Counted in the log of a server of their own, over a number of looks and not over a
//! time: a machine that is slow makes fewer, never more.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

use tasker_cluster::{Cluster, Settings};
use tasker_testkit::eventually;

use crate::site::{Service, Site, PATIENCE};
use crate::templates::{register, template};

/// While wakes are heard, a loop looks every 250 ms, a tenth less at the least.
const OFTEN: [&str; 1] = ["engine.poll_interval_ms=50"];
const SHORTEST: Duration = Duration::from_millis(225);

const LOOK: &str = "SELECT 'due' AS kind";
const POLL: &str = "SELECT 'ns_0' WHERE EXISTS";

fn cluster() -> Cluster {
    let settings = Settings::test()
        .set("log_statement", "all")
        .set("log_parameter_max_length", "0")
        // A line begins with the database; all but the first of a statement with a tab.
        .set("log_line_prefix", "%d ");
    Cluster::builder().settings(settings).start().unwrap()
}

/// The statements that a database is asked, as the server's log has them.
struct Statements {
    database: String,
    log: File,
}

impl Statements {
    fn of(cluster: &Cluster, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            log: File::open(cluster.log_file()).unwrap(),
        }
    }

    /// All from now on, until there are `count` with `marker` in them; how long that took.
    async fn until(&mut self, count: usize, marker: &str) -> (Vec<String>, Duration) {
        let begin = self.log.seek(SeekFrom::End(0)).unwrap();
        let since = Instant::now();
        let what = format!("{count} of {marker}");
        let probe = || {
            let statements = self.since(begin);
            let found = statements.iter().filter(|s| s.contains(marker)).count();
            std::future::ready((found >= count).then_some(statements))
        };
        let statements = eventually(&what, PATIENCE, probe).await;
        (statements, since.elapsed())
    }

    fn since(&mut self, begin: u64) -> Vec<String> {
        let mut text = String::new();
        self.log.seek(SeekFrom::Start(begin)).unwrap();
        self.log.read_to_string(&mut text).unwrap();
        let text = text.replace("\n\t", " ");
        let statement = |line: &str| {
            let entry = line.strip_prefix(&format!("{} LOG:  ", self.database))?;
            let (kind, statement) = entry.split_once(": ")?;
            let is_one = kind == "statement" || kind.starts_with("execute ");
            is_one.then(|| statement.trim().to_owned())
        };
        text.lines().filter_map(statement).collect()
    }
}

/// Runs a service until it has looked a few times with nothing to do, and checks that
/// it asked for no more than `loops` do that look as often, and a statement for what is
/// done every 15, 20 and 60 seconds.
async fn rests(mut service: Service, statements: &mut Statements, marker: &str, loops: u32) {
    // The start is over when it looks for the second time.
    statements.until(2, marker).await;
    let (asked, took) = statements.until(12, marker).await;
    let often = f64::from(loops) * (took.as_secs_f64() / SHORTEST.as_secs_f64() + 1.0);
    let seldom = 3.0 * (took.as_secs_f64() / 13.0 + 1.0);
    assert!(
        asked.len() as f64 <= often + seldom,
        "{} in {took:?}, which is more than {often} and {seldom}: {asked:#?}",
        asked.len()
    );
    service.process.terminate().unwrap();
    let status = service.process.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn idleness_costs_the_same_however_many_namespaces_there_are() {
    let cluster = cluster();
    for namespaces in [1, 8] {
        let database = format!("idle_{namespaces}");
        cluster.create_database(&database).unwrap();
        let site = Site::at(&cluster.url(&database)).await;
        let mut statements = Statements::of(&cluster, &database);
        let mut first = site.orchestrator().await;
        for number in 0..namespaces {
            let yaml = template("noop", &["name: only, handler_class: Bench::Noop"]);
            let yaml = yaml.replace("_name: it\n", &format!("_name: ns_{number}\n"));
            register(&first.client, &yaml).await;
        }
        first.process.terminate().unwrap();
        first.process.wait_exit(PATIENCE).await.unwrap();

        let orchestrator = site.orchestrator_with(&OFTEN).await;
        rests(orchestrator, &mut statements, LOOK, 1).await;
        let worker = site.worker_with(&OFTEN).await;
        rests(worker, &mut statements, POLL, 1).await;
    }
}
