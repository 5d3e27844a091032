//! Templates in the database: registration, look-up, lists.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use serde_json::Value;
use sqlx::{PgConnection, Row};

use super::{begin, queue, Definition, Store, StoreError, BATCH_JOINS};
use crate::domain::{Namespace, Template, TemplateName, Version};
use crate::messaging::Channel;
use crate::wire::{TemplateDetail, TemplateSummary};

/// How long a look-up by name is trusted. A registration through this process
/// is seen at once; one through another process after this time at the latest.
const LOOKUP_TRUST: Duration = Duration::from_secs(1);

/// Names to definitions, for a moment each.
#[derive(Default)]
pub(super) struct LookupCache {
    known: Mutex<HashMap<LookupKey, (Instant, Arc<Definition>)>>,
}

type LookupKey = (Namespace, TemplateName, Option<Version>);

impl LookupCache {
    fn get(&self, key: &LookupKey) -> Option<Arc<Definition>> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (at, definition) = known.get(key)?;
        (at.elapsed() < LOOKUP_TRUST).then(|| definition.clone())
    }

    fn put(&self, key: LookupKey, definition: Arc<Definition>) {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(key, (Instant::now(), definition));
    }

    fn clear(&self) {
        self.known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
    }
}

/// A template that is registered now.
#[derive(Debug, Clone)]
pub struct Registered {
    pub summary: TemplateSummary,
    /// False if exactly this content was registered before.
    pub created: bool,
}

/// Registers a template, or makes the same content current again.
///
/// Tasks already running keep the content they started with.
///
/// # Errors
/// As for any statement.
pub async fn register(store: &Store, template: &Template) -> Result<Registered, StoreError> {
    let digest = template.digest();
    let definition = serde_json::to_value(template).unwrap_or(Value::Null);
    let mut transaction = begin(store.pool()).await?;
    // One registration at a time: the catalogue rows below have several unique
    // keys each, and templates share them in any order.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('tasker.templates'))")
        .execute(&mut *transaction)
        .await?;
    let named_task_id = catalogue(&mut transaction, template).await?;
    queue::ensure_step_queue(&mut transaction, &template.namespace).await?;
    let row = sqlx::query(
        "INSERT INTO tasker.templates (named_task_id, namespace, digest, definition)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (named_task_id, digest)
         DO UPDATE SET current_since = clock_timestamp() AT TIME ZONE 'UTC'
         RETURNING definition_id, registered_at, (xmax = 0) AS created",
    )
    .bind(named_task_id)
    .bind(template.namespace.as_str())
    .bind(&digest)
    .bind(&definition)
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    store.inner.lookups.clear();
    store.tell(&[Channel::Templates]).await;
    let summary = TemplateSummary {
        namespace: template.namespace.to_string(),
        name: template.name.to_string(),
        version: template.version.to_string(),
        description: template.description.clone(),
        steps: template.steps.len(),
        definition_id: row.try_get("definition_id")?,
        digest,
        registered_at: row.try_get::<NaiveDateTime, _>("registered_at")?.and_utc(),
    };
    Ok(Registered {
        summary,
        created: row.try_get("created")?,
    })
}

/// Writes the Rails catalogue rows of a template and returns its named task.
async fn catalogue(connection: &mut PgConnection, template: &Template) -> Result<i32, StoreError> {
    let namespace_id: i32 = sqlx::query_scalar(
        "INSERT INTO tasker_task_namespaces (name, created_at, updated_at)
         VALUES ($1, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
         ON CONFLICT (name) DO UPDATE SET updated_at = tasker_task_namespaces.updated_at
         RETURNING task_namespace_id",
    )
    .bind(template.namespace.as_str())
    .fetch_one(&mut *connection)
    .await?;
    let named_task_id: i32 = sqlx::query_scalar(
        "INSERT INTO tasker_named_tasks
                (name, description, task_namespace_id, version, created_at, updated_at)
         VALUES ($1, $2, $3, $4, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
         ON CONFLICT (task_namespace_id, name, version)
         DO UPDATE SET description = COALESCE(EXCLUDED.description, tasker_named_tasks.description)
         RETURNING named_task_id",
    )
    .bind(template.name.as_str())
    .bind(template.description.as_deref())
    .bind(i64::from(namespace_id))
    .bind(template.version.as_str())
    .fetch_one(&mut *connection)
    .await?;
    catalogue_steps(connection, template, named_task_id).await?;
    Ok(named_task_id)
}

/// The catalogue rows of a template's steps.
async fn catalogue_steps(
    connection: &mut PgConnection,
    template: &Template,
    named_task_id: i32,
) -> Result<(), StoreError> {
    let steps = &template.steps;
    let names: Vec<String> = steps.iter().map(|s| s.name.to_string()).collect();
    let systems: Vec<String> = steps.iter().map(|s| s.dependent_system.clone()).collect();
    // As the Rails engine describes a step that nobody has described.
    let descriptions: Vec<String> = steps
        .iter()
        .map(|s| s.description.clone().unwrap_or_else(|| s.name.to_string()))
        .collect();
    let skippable: Vec<bool> = steps.iter().map(|s| s.skippable).collect();
    let retryable: Vec<bool> = steps.iter().map(|s| s.retryable).collect();
    let retry_limits: Vec<i32> = steps.iter().map(|s| s.retry_limit).collect();
    // The planner takes the steps for a few, and would compare each of 10,000 with all.
    let (setting, value) = BATCH_JOINS;
    sqlx::query("SELECT set_config($1, $2, true)")
        .bind(setting)
        .bind(value)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO tasker_dependent_systems (name, created_at, updated_at)
         SELECT DISTINCT s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC' FROM unnest($1::text[]) s
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(&systems)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO tasker_named_steps (dependent_system_id, name, description, created_at, updated_at)
         SELECT d.dependent_system_id, s.name, s.description, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
           FROM unnest($1::text[], $2::text[], $3::text[]) AS s(name, dependent_system, description)
           JOIN tasker_dependent_systems d ON d.name = s.dependent_system
         ON CONFLICT (dependent_system_id, name) DO NOTHING",
    )
    .bind(&names)
    .bind(&systems)
    .bind(&descriptions)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO tasker_named_tasks_named_steps
                (named_task_id, named_step_id, skippable, default_retryable, default_retry_limit, created_at, updated_at)
         SELECT $1, ns.named_step_id, s.skippable, s.retryable, s.retry_limit,
                now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
           FROM unnest($2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::integer[])
                AS s(name, dependent_system, skippable, retryable, retry_limit)
           JOIN tasker_dependent_systems d ON d.name = s.dependent_system
           JOIN tasker_named_steps ns ON ns.dependent_system_id = d.dependent_system_id AND ns.name = s.name
         ON CONFLICT (named_task_id, named_step_id)
         DO UPDATE SET skippable = EXCLUDED.skippable, default_retryable = EXCLUDED.default_retryable,
                       default_retry_limit = EXCLUDED.default_retry_limit, updated_at = EXCLUDED.updated_at",
    )
    .bind(named_task_id)
    .bind(&names)
    .bind(&systems)
    .bind(&skippable)
    .bind(&retryable)
    .bind(&retry_limits)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

const CURRENT: &str = "
    SELECT DISTINCT ON (t.named_task_id)
           t.definition_id, t.digest, t.registered_at, t.definition, t.namespace,
           n.name, n.version, n.description
      FROM tasker.templates t
      JOIN tasker_named_tasks n USING (named_task_id)
     WHERE ($1::text IS NULL OR t.namespace = $1)
       AND ($2::text IS NULL OR n.name = $2)
       AND ($3::text IS NULL OR n.version = $3)
     ORDER BY t.named_task_id, t.current_since DESC, t.definition_id DESC";

async fn current(
    store: &Store,
    namespace: Option<&str>,
    name: Option<&str>,
    version: Option<&str>,
) -> Result<Vec<TemplateDetail>, StoreError> {
    let rows = sqlx::query(CURRENT)
        .bind(namespace)
        .bind(name)
        .bind(version)
        .fetch_all(store.pool())
        .await?;
    let mut details = Vec::with_capacity(rows.len());
    for row in rows {
        let definition: Value = row.try_get("definition")?;
        let steps = definition
            .get("steps")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let summary = TemplateSummary {
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            description: row.try_get("description")?,
            steps,
            definition_id: row.try_get("definition_id")?,
            digest: row.try_get("digest")?,
            registered_at: row.try_get::<NaiveDateTime, _>("registered_at")?.and_utc(),
        };
        details.push(TemplateDetail {
            summary,
            definition,
        });
    }
    details.sort_by_cached_key(|d| {
        (
            d.summary.namespace.clone(),
            d.summary.name.clone(),
            version_key(&d.summary.version),
        )
    });
    Ok(details)
}

/// All registered template versions, by namespace, name and version.
///
/// # Errors
/// As for any statement.
pub async fn list(store: &Store) -> Result<Vec<TemplateSummary>, StoreError> {
    Ok(current(store, None, None, None)
        .await?
        .into_iter()
        .map(|d| d.summary)
        .collect())
}

/// One template version with its current definition.
///
/// # Errors
/// As for any statement.
pub async fn get(
    store: &Store,
    namespace: &str,
    name: &str,
    version: &str,
) -> Result<Option<TemplateDetail>, StoreError> {
    Ok(current(store, Some(namespace), Some(name), Some(version))
        .await?
        .pop())
}

/// The definition a new task of this template gets; without a version, that of
/// the highest one.
///
/// # Errors
/// As for any statement.
pub async fn find(
    store: &Store,
    namespace: &Namespace,
    name: &TemplateName,
    version: Option<&Version>,
) -> Result<Option<Arc<Definition>>, StoreError> {
    let key = (namespace.clone(), name.clone(), version.cloned());
    if let Some(known) = store.inner.lookups.get(&key) {
        return Ok(Some(known));
    }
    let found = current(
        store,
        Some(namespace.as_str()),
        Some(name.as_str()),
        version.map(Version::as_str),
    )
    .await?
    .pop();
    let Some(found) = found else {
        return Ok(None);
    };
    let definition = store.definition(found.summary.definition_id).await?;
    store.inner.lookups.put(key, definition.clone());
    Ok(Some(definition))
}

/// Orders d.d.d numerically: 10.0.0 comes after 9.0.0.
fn version_key(version: &str) -> Vec<u64> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::version_key;

    #[test]
    fn versions_order_by_number() {
        assert!(version_key("10.0.0") > version_key("9.9.9"));
        assert!(version_key("1.2.0") < version_key("1.10.0"));
    }
}
