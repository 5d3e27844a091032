//! Hand-made tasks for the tests of the SQL functions: rows as the Rails engine
//! writes them, with attributes set one by one.

use sqlx::PgPool;

pub(crate) struct Graph {
    pub(crate) pool: PgPool,
    pub(crate) task: i64,
}

impl Graph {
    /// A task without steps, created `age_seconds` ago.
    pub(crate) async fn new(pool: &PgPool, identity: &str, age_seconds: f64) -> Self {
        let task = sqlx::query_scalar(
            "WITH space AS (
                 INSERT INTO tasker_task_namespaces (name, created_at, updated_at)
                 VALUES ('shop', timezone('UTC', now()), timezone('UTC', now()))
                 ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING task_namespace_id
             ), template AS (
                 INSERT INTO tasker_named_tasks (name, task_namespace_id, created_at, updated_at)
                 SELECT 'order', task_namespace_id, timezone('UTC', now()), timezone('UTC', now()) FROM space
                 ON CONFLICT (task_namespace_id, name, version) DO UPDATE SET name = EXCLUDED.name
                 RETURNING named_task_id
             ), system AS (
                 INSERT INTO tasker_dependent_systems (name, created_at, updated_at)
                 VALUES ('unknown', timezone('UTC', now()), timezone('UTC', now()))
                 ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING dependent_system_id
             ), step AS (
                 INSERT INTO tasker_named_steps (name, dependent_system_id, created_at, updated_at)
                 SELECT 'step', dependent_system_id, timezone('UTC', now()), timezone('UTC', now()) FROM system
                 ON CONFLICT (dependent_system_id, name) DO NOTHING
             )
             INSERT INTO tasker_tasks (named_task_id, requested_at, initiator, identity_hash,
                                       created_at, updated_at)
             SELECT named_task_id, timezone('UTC', now()), 'test', $1, timezone('UTC', now()) - $2 * interval '1 s', timezone('UTC', now())
             FROM template RETURNING task_id",
        )
        .bind(identity)
        .bind(age_seconds)
        .fetch_one(pool)
        .await
        .unwrap();
        Self {
            pool: pool.clone(),
            task,
        }
    }

    /// A step with `attributes` as SET clauses, pending if none say otherwise.
    pub(crate) async fn step(&self, attributes: &str) -> i64 {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO tasker_workflow_steps (task_id, named_step_id, attempts, created_at, updated_at)
             SELECT task_id, (SELECT min(named_step_id) FROM tasker_named_steps), 0, created_at, timezone('UTC', now())
             FROM tasker_tasks WHERE task_id = $1 RETURNING workflow_step_id",
        )
        .bind(self.task)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        if !attributes.is_empty() {
            let sql = format!(
                "UPDATE tasker_workflow_steps SET {attributes} WHERE workflow_step_id = {id}"
            );
            self.run(&sql).await;
        }
        id
    }

    pub(crate) async fn steps(&self, count: usize) -> Vec<i64> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.step("").await);
        }
        ids
    }

    pub(crate) async fn edge(&self, parent: i64, child: i64) {
        sqlx::query(
            "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
             VALUES ($1, $2, 'provides', timezone('UTC', now()), timezone('UTC', now()))",
        )
        .bind(parent)
        .bind(child)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Moves a step to `state`, `age_seconds` ago.
    pub(crate) async fn state(&self, step: i64, state: &str, age_seconds: f64) {
        let sql = format!(
            "UPDATE tasker_workflow_step_transitions SET most_recent = false
             WHERE workflow_step_id = {step} AND most_recent;
             INSERT INTO tasker_workflow_step_transitions
                 (to_state, sort_key, workflow_step_id, created_at, updated_at)
             SELECT '{state}', COALESCE(max(sort_key), 0) + 10, {step},
                    timezone('UTC', now()) - {age_seconds} * interval '1 s', timezone('UTC', now())
             FROM tasker_workflow_step_transitions WHERE workflow_step_id = {step}"
        );
        self.run(&sql).await;
    }

    pub(crate) async fn task_state(&self, state: &str) {
        let task = self.task;
        let sql = format!(
            "INSERT INTO tasker_task_transitions (to_state, sort_key, task_id, created_at, updated_at)
             VALUES ('{state}', 10, {task}, timezone('UTC', now()), timezone('UTC', now()))"
        );
        self.run(&sql).await;
    }

    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }
}

impl Graph {
    /// A stack of diamonds, each two levels deep; returns the last step.
    pub(crate) async fn diamonds(&self, count: usize) -> i64 {
        let mut top = self.step("").await;
        for _ in 0..count {
            let s = self.steps(3).await;
            for (parent, child) in [(top, s[0]), (top, s[1]), (s[0], s[2]), (s[1], s[2])] {
                self.edge(parent, child).await;
            }
            top = s[2];
        }
        top
    }
}
