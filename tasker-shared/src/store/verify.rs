//! Verify: recomputes what the engine keeps in counters, flags and messages
//! from edges and transitions, and reports every difference.
//!
//! Each check is a query that finds nothing in a sound database, whatever was
//! killed before. One repeatable-read snapshot for all of them, so that a
//! database at work can be checked too.

use sqlx::{Executor as _, Row};

use super::{begin, queue, Store, StoreError};
use crate::domain::Namespace;
use crate::wire::Violation;

/// Violations reported for each invariant.
const PER_CHECK: i64 = 20;

/// A name and a query of (`task_id`, `step_id`, `detail`).
const CHECKS: [(&str, &str); 11] = [
    ("gate_counts_unfinished_parents", "
        SELECT g.task_id, g.workflow_step_id AS step_id, 'gate says ' || g.unmet || ', unfinished parents are ' || c.n AS detail
          FROM tasker.step_gates g
          CROSS JOIN LATERAL (
               SELECT count(*) AS n FROM tasker_workflow_step_edges e
                 LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = e.from_step_id AND x.most_recent
                WHERE e.to_step_id = g.workflow_step_id
                  AND COALESCE(x.to_state, 'pending') NOT IN ('complete', 'resolved_manually')) c
         WHERE g.unmet <> c.n AND NOT g.sealed"),
    ("several_parents_have_a_gate", "
        SELECT s.task_id, s.workflow_step_id AS step_id, 'no gate for ' || count(*) || ' parents' AS detail
          FROM tasker_workflow_step_edges e
          JOIN tasker_workflow_steps s ON s.workflow_step_id = e.to_step_id
          JOIN tasker.task_runs r USING (task_id)
         WHERE NOT EXISTS (SELECT 1 FROM tasker.step_gates g WHERE g.workflow_step_id = e.to_step_id)
         GROUP BY s.task_id, s.workflow_step_id HAVING count(*) > 1"),
    ("processed_agrees_with_state", "
        SELECT s.task_id, s.workflow_step_id AS step_id,
               'processed ' || s.processed || ', in_process ' || s.in_process || ', state ' || COALESCE(x.to_state, 'pending') AS detail
          FROM tasker_workflow_steps s
          JOIN tasker.task_runs r USING (task_id)
          LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
         WHERE (s.processed AND s.in_process)
            OR s.processed <> (COALESCE(x.to_state, 'pending') = 'complete')
            OR (s.in_process AND COALESCE(x.to_state, 'pending') NOT IN ('pending', 'in_progress'))"),
    ("one_most_recent_transition", "
        SELECT s.task_id, s.workflow_step_id AS step_id,
               count(*) FILTER (WHERE x.most_recent) || ' rows are most recent' AS detail
          FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps s USING (workflow_step_id)
          JOIN tasker.task_runs r USING (task_id)
         GROUP BY s.task_id, s.workflow_step_id
        HAVING count(*) FILTER (WHERE x.most_recent) <> 1
            OR max(x.sort_key) <> max(x.sort_key) FILTER (WHERE x.most_recent)
        UNION ALL
        SELECT x.task_id, NULL, count(*) FILTER (WHERE x.most_recent) || ' rows of the task are most recent'
          FROM tasker_task_transitions x JOIN tasker.task_runs r USING (task_id)
         GROUP BY x.task_id
        HAVING count(*) FILTER (WHERE x.most_recent) <> 1
            OR max(x.sort_key) <> max(x.sort_key) FILTER (WHERE x.most_recent)"),
    ("transitions_form_a_chain", "
        SELECT task_id, step_id, 'a row says it comes from ' || COALESCE(from_state, 'null') || ', the one before went to ' || previous AS detail
          FROM (SELECT s.task_id, s.workflow_step_id AS step_id, x.from_state,
                       lag(x.to_state, 1, 'pending') OVER (PARTITION BY x.workflow_step_id ORDER BY x.sort_key) AS previous
                  FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps s USING (workflow_step_id)
                  JOIN tasker.task_runs r USING (task_id)
                UNION ALL
                SELECT x.task_id, NULL, x.from_state,
                       lag(x.to_state, 1, 'pending') OVER (PARTITION BY x.task_id ORDER BY x.sort_key)
                  FROM tasker_task_transitions x JOIN tasker.task_runs r USING (task_id)) chain
         WHERE from_state IS DISTINCT FROM previous"),
    ("counters_agree_with_steps", "
        SELECT r.task_id, NULL::bigint AS step_id,
               'unfinished ' || r.unfinished || ' and failed ' || r.failed || ', counted ' || c.unfinished || ' and ' || c.failed AS detail
          FROM tasker.task_runs r
          CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE COALESCE(x.to_state, 'pending') NOT IN ('complete', 'resolved_manually')) AS unfinished,
                      count(*) FILTER (WHERE x.to_state = 'error' AND d.workflow_step_id IS NULL) AS failed
                 FROM tasker_workflow_steps s
                 LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
                 LEFT JOIN tasker.step_delays d ON d.workflow_step_id = s.workflow_step_id
                WHERE s.task_id = r.task_id) c
         WHERE r.unfinished <> c.unfinished OR r.failed <> c.failed"),
    ("final_state_agrees_with_steps", "
        SELECT r.task_id, NULL::bigint AS step_id,
               'state ' || COALESCE(x.to_state, 'pending') || ', complete ' || t.complete || ', active ' || r.active
               || ', unfinished ' || r.unfinished || ', failed ' || r.failed AS detail
          FROM tasker.task_runs r
          JOIN tasker_tasks t USING (task_id)
          LEFT JOIN tasker_task_transitions x ON x.task_id = r.task_id AND x.most_recent
         WHERE t.complete <> (COALESCE(x.to_state, 'pending') = 'complete')
            OR (x.to_state = 'complete' AND (r.unfinished > 0 OR r.active > 0))
            OR (x.to_state IN ('error', 'cancelled') AND r.active > 0)
            OR (COALESCE(x.to_state, 'pending') IN ('pending', 'in_progress') AND r.active = 0)"),
    ("nothing_starts_before_its_parents", "
        SELECT s.task_id, s.workflow_step_id AS step_id,
               'state ' || COALESCE(x.to_state, 'pending') || ' while a parent is ' || COALESCE(p.to_state, 'pending') AS detail
          FROM tasker_workflow_step_edges e
          JOIN tasker_workflow_steps s ON s.workflow_step_id = e.to_step_id
          JOIN tasker.task_runs r USING (task_id)
          LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
          LEFT JOIN tasker_workflow_step_transitions p ON p.workflow_step_id = e.from_step_id AND p.most_recent
         WHERE (s.in_process OR COALESCE(x.to_state, 'pending') IN ('in_progress', 'complete', 'error'))
           AND COALESCE(p.to_state, 'pending') NOT IN ('complete', 'resolved_manually')"),
    ("attempts_stay_within_the_limit", "
        SELECT s.task_id, s.workflow_step_id AS step_id, s.attempts || ' attempts, limit ' || COALESCE(s.retry_limit, 3) AS detail
          FROM tasker_workflow_steps s JOIN tasker.task_runs r USING (task_id)
         WHERE s.attempts > COALESCE(s.retry_limit, 3) OR s.attempts < 0"),
    ("no_delay_outlives_its_step", "
        SELECT d.task_id, d.workflow_step_id AS step_id, 'a delay (' || d.reason || ') for a step that is ' || COALESCE(x.to_state, 'pending') AS detail
          FROM tasker.step_delays d
          LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = d.workflow_step_id AND x.most_recent
         WHERE COALESCE(x.to_state, 'pending') IN ('complete', 'cancelled', 'resolved_manually')"),
    ("graph_rows_belong_together", "
        SELECT COALESCE(a.task_id, b.task_id) AS task_id, e.to_step_id AS step_id, 'an edge leads from step ' || e.from_step_id || ' of another task or of none' AS detail
          FROM tasker_workflow_step_edges e
          LEFT JOIN tasker_workflow_steps a ON a.workflow_step_id = e.from_step_id
          LEFT JOIN tasker_workflow_steps b ON b.workflow_step_id = e.to_step_id
         WHERE a.task_id IS DISTINCT FROM b.task_id OR a.task_id IS NULL"),
];

/// Checks about one namespace's queue.
const QUEUE_CHECKS: [(&str, &str); 2] = [
    ("messages_and_delays_add_up", "
        SELECT r.task_id, NULL::bigint AS step_id,
               'active ' || r.active || ', messages ' || COALESCE(m.n, 0) || ', delays ' || COALESCE(d.n, 0) AS detail
          FROM tasker.task_runs r
          LEFT JOIN (SELECT (message->>'task_id')::bigint AS task_id, count(*) AS n FROM pgmq.{queue} GROUP BY 1) m USING (task_id)
          LEFT JOIN (SELECT task_id, count(*) AS n FROM tasker.step_delays GROUP BY 1) d USING (task_id)
         WHERE r.namespace = '{namespace}' AND r.active <> COALESCE(m.n, 0) + COALESCE(d.n, 0)"),
    ("every_message_has_a_live_step", "
        SELECT s.task_id, s.workflow_step_id AS step_id,
               'message ' || q.msg_id || ' for ' || CASE WHEN s.workflow_step_id IS NULL THEN 'no step'
                    ELSE 'a step that is ' || COALESCE(x.to_state, 'pending') END AS detail
          FROM pgmq.{queue} q
          LEFT JOIN tasker_workflow_steps s ON s.workflow_step_id = (q.message->>'step_id')::bigint
          LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
         WHERE s.workflow_step_id IS NULL OR s.processed
            OR COALESCE(x.to_state, 'pending') NOT IN ('pending', 'in_progress')"),
];

/// All violations found; none in a sound database.
///
/// Reads every table once or more: meant for operators and tests, not for a
/// hot path.
///
/// # Errors
/// As for any statement.
pub async fn verify(store: &Store) -> Result<Vec<Violation>, StoreError> {
    let namespaces: Vec<Namespace> = store.namespaces().await?;
    let mut transaction = begin(store.pool()).await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SET LOCAL statement_timeout = '10min'")
        .execute(&mut *transaction)
        .await?;
    let mut checks: Vec<(&str, String)> = CHECKS
        .iter()
        .map(|(name, sql)| (*name, (*sql).to_owned()))
        .collect();
    for namespace in &namespaces {
        checks.extend(
            QUEUE_CHECKS
                .iter()
                .map(|(name, sql)| (*name, queue::for_namespace(sql, namespace))),
        );
    }
    let mut violations = Vec::new();
    for (name, sql) in checks {
        // A check that looks at each row's own neighbours must probe indexes for
        // them. On tables without statistics the planner would join whole tables
        // instead, once for every row.
        let probes = if sql.contains("LATERAL") { "off" } else { "on" };
        let planner =
            format!("SET LOCAL enable_hashjoin = {probes}; SET LOCAL enable_mergejoin = {probes}");
        transaction.execute(planner.as_str()).await?;
        let rows = sqlx::query(&format!("{sql} LIMIT {PER_CHECK}"))
            .fetch_all(&mut *transaction)
            .await?;
        for row in rows {
            violations.push(Violation {
                invariant: name.to_owned(),
                task_id: row.try_get("task_id")?,
                step_id: row.try_get("step_id")?,
                detail: row.try_get("detail")?,
            });
        }
    }
    transaction.rollback().await?;
    Ok(violations)
}
