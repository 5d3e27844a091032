//! A store on a fresh database, and short words for what tests do with it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{json, Value};
use tasker_shared::config::{Config, Secret};
use tasker_shared::domain::{parse_template, Namespace, Outcome, State, StepError, Template};
use tasker_shared::store::submit::{prepare, NewTask, SubmitConnection, Submitted};
use tasker_shared::store::{
    read, templates, verify, AdvanceConnection, Advanced, Attempt, ClaimConnection, Claimed, Look,
    Reach, Report, Store,
};
use tasker_shared::wire::{StepView, TaskRequest, TaskView};
use tasker_testkit::TestDatabase;
use tokio::sync::Mutex;

pub(crate) const NAMESPACE: &str = "tests";

pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) claims: ClaimConnection,
    pub(crate) advances: AdvanceConnection,
    submits: Mutex<SubmitConnection>,
    url: String,
    _database: Option<TestDatabase>,
}

/// What one round of the timer did.
#[derive(Default)]
pub(crate) struct Swept {
    /// Steps enqueued because their time had come.
    pub(crate) due: usize,
    /// Attempts ended because their lease ran out.
    pub(crate) lost: Advanced,
}

pub(crate) fn namespace() -> Namespace {
    Namespace::parse(NAMESPACE).unwrap()
}

impl Engine {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An engine with a configuration of its own.
    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let url = database.url().to_owned();
        Self {
            _database: Some(database),
            ..Self::at(&url, configure).await
        }
    }

    /// An engine on a database that is not its own, made ready if it is empty.
    pub(crate) async fn at(url: &str, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.database.url = Some(Secret::new(url.to_owned()));
        configure(&mut config);
        let store = Store::open(&config).await.unwrap();
        let warm_up = template("warm_up", &[("only", &[])]);
        templates::register(&store, &warm_up).await.unwrap();
        Self {
            claims: ClaimConnection::open(&store, &namespace()).await.unwrap(),
            advances: AdvanceConnection::open(&store).await.unwrap(),
            submits: Mutex::new(SubmitConnection::open(&store).await.unwrap()),
            store,
            url: url.to_owned(),
            _database: None,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Registers a template of these steps and submits one task of it.
    pub(crate) async fn submit(&self, name: &str, steps: &[(&str, &[&str])]) -> TaskView {
        templates::register(&self.store, &template(name, steps))
            .await
            .unwrap();
        self.submit_again(name).await
    }

    pub(crate) async fn submit_again(&self, name: &str) -> TaskView {
        self.request(json!({"name": name, "namespace": NAMESPACE, "context": {"n": 1}}))
            .await
    }

    /// Submits a request that must make a new task.
    pub(crate) async fn request(&self, request: Value) -> TaskView {
        match self.try_request(request).await {
            Submitted::Created(task) => task,
            other => panic!("expected a new task, got {other:?}"),
        }
    }

    pub(crate) async fn try_request(&self, request: Value) -> Submitted {
        let request: TaskRequest = serde_json::from_value(request).unwrap();
        let new = prepare(&self.store, request, None).await.unwrap();
        self.submit_all(&[new]).await.pop().unwrap()
    }

    pub(crate) async fn submit_all(&self, tasks: &[NewTask]) -> Vec<Submitted> {
        self.submits.lock().await.submit(tasks).await.unwrap()
    }

    pub(crate) async fn claim(&mut self, limit: usize) -> Vec<Claimed> {
        self.claims.claim(limit).await.unwrap().steps
    }

    /// Claims exactly one step.
    pub(crate) async fn claim_one(&mut self) -> Attempt {
        let claimed = self.claim(1).await;
        claimed.first().expect("a step to claim").attempt
    }

    pub(crate) async fn report(&mut self, reports: Vec<Report>) -> Advanced {
        let mut advanced = self.advances.advance(reports).await.unwrap();
        advanced.remove(&namespace()).unwrap_or_default()
    }

    pub(crate) async fn succeed(&mut self, attempt: Attempt, results: Value) -> Advanced {
        self.report(vec![success(attempt, results)]).await
    }

    pub(crate) async fn fail(&mut self, attempt: Attempt, error: StepError) -> Advanced {
        self.report(vec![failure(attempt, error)]).await
    }

    /// Claims and completes whatever is there until nothing is; returns the step
    /// names in the order in which they were claimed.
    pub(crate) async fn run_to_the_end(&mut self) -> Vec<String> {
        let mut order = Vec::new();
        loop {
            let claimed = self.claim(10).await;
            if claimed.is_empty() {
                return order;
            }
            let mut reports = Vec::new();
            for step in &claimed {
                order.push(self.name_of(&step.attempt).await);
                reports.push(success(step.attempt, json!({"done": true})));
            }
            self.report(reports).await;
        }
    }

    pub(crate) async fn name_of(&self, attempt: &Attempt) -> String {
        let definition = self.store.definition(attempt.definition_id).await.unwrap();
        definition
            .step(attempt.named_step_id)
            .unwrap()
            .name
            .to_string()
    }

    pub(crate) async fn task(&self, task_id: i64) -> TaskView {
        read::task(&self.store, task_id, true, true)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn state(&self, task_id: i64) -> State {
        self.task(task_id).await.state
    }

    pub(crate) async fn steps(&self, task_id: i64) -> BTreeMap<String, StepView> {
        let steps = read::steps(&self.store, task_id).await.unwrap().unwrap();
        steps
            .into_iter()
            .map(|step| (step.name.clone(), step))
            .collect()
    }

    /// Lets the lease of an attempt run out, as its worker's death would.
    pub(crate) async fn expire(&self, attempt: Attempt) {
        let sql = format!(
            "UPDATE pgmq.q_steps_{NAMESPACE} SET vt = clock_timestamp() - interval '1 second' WHERE msg_id = $1"
        );
        sqlx::query(&sql)
            .bind(attempt.message_id)
            .execute(self.store.pool())
            .await
            .unwrap();
    }

    /// Makes whatever waits for a time due now.
    pub(crate) async fn make_due(&self) {
        sqlx::query("UPDATE tasker.step_delays SET due_at = clock_timestamp() AT TIME ZONE 'UTC' - interval '1 s'")
            .execute(self.store.pool())
            .await
            .unwrap();
    }

    /// What waits for the timer.
    pub(crate) async fn look(&mut self, reach: Reach) -> Look {
        let look = self.advances.look(&[namespace()], reach).await;
        look.unwrap()
    }

    /// One round of the timer.
    pub(crate) async fn sweep(&mut self) -> Swept {
        let look = self.look(Reach::Whole).await;
        let mut swept = Swept::default();
        for namespace in &look.delays.due {
            swept.due += self.advances.enqueue_due(namespace).await.unwrap();
        }
        for (namespace, messages) in &look.lost {
            swept.lost = self.advances.reclaim(namespace, messages).await.unwrap();
        }
        swept
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(self.store.pool())
            .await
            .unwrap()
    }

    pub(crate) async fn verify(&self) {
        let violations = verify::verify(&self.store).await.unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

pub(crate) fn success(attempt: Attempt, results: Value) -> Report {
    Report {
        attempt,
        outcome: Outcome::Success { results },
        stored: false,
    }
}

pub(crate) fn failure(attempt: Attempt, error: StepError) -> Report {
    Report {
        attempt,
        outcome: Outcome::Failure { error },
        stored: false,
    }
}

/// A template of steps with their parents; each step may run three times.
pub(crate) fn template(name: &str, steps: &[(&str, &[&str])]) -> Template {
    let steps: Vec<(String, Vec<String>)> = steps
        .iter()
        .map(|(step, parents)| {
            (
                (*step).to_owned(),
                parents.iter().map(|p| (*p).to_owned()).collect(),
            )
        })
        .collect();
    template_of(name, &steps, "")
}

/// As [`template`], with `extra` lines of YAML in every step.
pub(crate) fn template_of(name: &str, steps: &[(String, Vec<String>)], extra: &str) -> Template {
    let mut yaml =
        format!("name: {name}\nnamespace_name: {NAMESPACE}\nversion: 1.0.0\nstep_templates:\n");
    for (step, parents) in steps {
        let _ = writeln!(yaml, "  - name: {step}\n    handler_class: Test::Handler");
        let _ = writeln!(
            yaml,
            "    retry: {{backoff: fixed, base_ms: 10, max_ms: 10, jitter: false}}"
        );
        if !parents.is_empty() {
            let _ = writeln!(yaml, "    depends_on_steps: [{}]", parents.join(", "));
        }
        if !extra.is_empty() {
            let _ = writeln!(yaml, "    {extra}");
        }
    }
    parse_template(&yaml, "test", "test").unwrap().template
}
