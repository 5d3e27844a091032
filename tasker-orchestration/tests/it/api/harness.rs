//! An API of its own for one test.

use std::time::Duration;

use anyhow::Result;
use serde_json::{json, Value};
use tasker_client::Client;
use tasker_orchestration::{Orchestrator, OrchestratorHandle};
use tasker_shared::config::{Config, Secret};
use tasker_shared::store::Store;
use tasker_shared::wire::{Problem, TaskRequest};
use tasker_testkit::TestDatabase;
use tokio_util::sync::CancellationToken;

/// Two steps in a row, and a context that must have an integer `order_id`.
pub(super) const ORDER: &str = r"
name: order
namespace_name: api
version: 1.0.0
task_handler_class: Order
default_dependent_system: shop
schema:
  type: object
  required: [order_id]
  properties:
    order_id: {type: integer}
step_templates:
  - name: reserve
    handler_class: Reserve
  - name: ship
    depends_on_step: reserve
    handler_class: Ship
";

/// One step, and any context.
pub(super) const FREE: &str = r"
name: free
namespace_name: api
version: 1.0.0
task_handler_class: Free
default_dependent_system: shop
step_templates:
  - name: only
    handler_class: Only
";

/// A served API over a fresh database; both end with it.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    pub(super) store: Store,
    pub(super) database: TestDatabase,
    shutdown: CancellationToken,
    running: Option<OrchestratorHandle>,
}

impl Api {
    pub(super) async fn start() -> Result<Self> {
        Self::start_with(|_| {}).await
    }

    /// An API with the templates `ORDER` and `FREE` registered.
    pub(super) async fn with_order() -> Result<Self> {
        let api = Self::start().await?;
        api.client.register_template(ORDER).await?;
        api.client.register_template(FREE).await?;
        Ok(api)
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let database = TestDatabase::migrated().await?;
        let mut config = Config::default();
        config.database.url = Some(Secret::new(database.url().to_owned()));
        config.database.acquire_timeout_ms = 2_000;
        config.orchestration.bind = "127.0.0.1:0".parse()?;
        config.templates.load_on_start = false;
        change(&mut config);
        let store = Store::open(&config).await?;
        let shutdown = CancellationToken::new();
        let running = Orchestrator::start(&config, store.clone(), shutdown.clone()).await?;
        let base = format!("http://{}", running.address());
        let client = Client::new(&base)?.with_timeout(Duration::from_secs(20));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            http,
            base,
            store,
            database,
            shutdown,
            running: Some(running),
        })
    }

    /// Sends `body` as it is, as JSON.
    pub(super) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Result<Answer> {
        let call = self.http.post(format!("{}{path}", self.base));
        Answer::of(call.header("content-type", "application/json").body(body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        Answer::of(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Rows of the tables a submission writes: nothing may be half stored.
    pub(super) async fn rows(&self) -> Result<i64> {
        let count = "SELECT (SELECT count(*) FROM tasker_tasks) + (SELECT count(*) FROM tasker_workflow_steps)
                          + (SELECT count(*) FROM tasker.task_runs)";
        Ok(sqlx::query_scalar(count)
            .fetch_one(self.database.pool())
            .await?)
    }

    /// Ends the server; the database stays until this is dropped.
    pub(super) async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(running) = self.running.take() {
            running.join().await;
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Status, headers and text of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn of(call: reqwest::RequestBuilder) -> Result<Self> {
        let response = call.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self {
            status,
            headers,
            text: response.text().await?,
        })
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The problem document this answer must be.
    #[track_caller]
    pub(super) fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem: Problem = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem.status, self.status, "{self:?}");
        assert_eq!(problem.kind, format!("/problems/{}", problem.code));
        assert!(
            !problem.title.is_empty() && !problem.detail.is_empty(),
            "{self:?}"
        );
        for told in ["SELECT", "sqlx", "panicked", "postgres://", ".rs:"] {
            assert!(!self.text.contains(told), "{self:?}");
        }
        problem
    }
}

/// A request for a task of `ORDER`.
pub(super) fn order(order_id: i64) -> TaskRequest {
    TaskRequest {
        name: "order".to_owned(),
        namespace: Some("api".to_owned()),
        context: json!({ "order_id": order_id }),
        ..TaskRequest::default()
    }
}
