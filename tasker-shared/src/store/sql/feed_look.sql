-- What the audit trail holds behind a cursor's positions and in its gaps, of tasks that
-- this engine drives; and renews the cursor's lease.
-- Caller: store::feed, on a connection with the settings of the hot path.
-- LOCKS: the cursor. Of the trail nothing is locked: one statement, so one snapshot, and
--   what one transaction wrote to both tables is seen in both or in neither.
-- Plan: both primary keys from the positions on, at most $4 entries; by key from there.
--   Each gap is a look of its own (LATERAL, LIMIT): as a join the planner would walk the
--   whole index for the order it is wanted in.
-- ORDER: ids are drawn before their transactions commit, so what is missing between the
--   first and the last id seen may still come. Each head says which ids those are.
-- $1 name, $2 fence, $3 lease in ms, $4 most rows of each table, $5 position of tasks,
-- $6 and $7 first and last ids of their gaps, $8 to $10 the same of steps, $8 null if
-- they are not read, $11 states of steps that matter, $12 whether contexts are wanted,
-- $13 failures and retries of steps.
-- The first row has the lease, if it is still held, and the snapshot.
WITH held AS (
    UPDATE tasker.event_cursors
       SET lease_ends_at = (clock_timestamp() AT TIME ZONE 'UTC') + $3 * interval '1 millisecond'
     WHERE name = $1 AND fence = $2
    RETURNING name
), task_next AS MATERIALIZED (
    SELECT id FROM tasker_task_transitions WHERE id > $5 ORDER BY id LIMIT $4
), task_late AS MATERIALIZED (
    SELECT x.id FROM unnest($6::bigint[], $7::bigint[]) AS gap(first, last)
     CROSS JOIN LATERAL (SELECT id FROM tasker_task_transitions
                          WHERE id BETWEEN gap.first AND gap.last ORDER BY id LIMIT $4) x
     ORDER BY x.id LIMIT $4
), step_next AS MATERIALIZED (
    SELECT id FROM tasker_workflow_step_transitions WHERE id > $8 ORDER BY id LIMIT $4
), step_late AS MATERIALIZED (
    SELECT x.id FROM unnest($9::bigint[], $10::bigint[]) AS gap(first, last)
     CROSS JOIN LATERAL (SELECT id FROM tasker_workflow_step_transitions
                          WHERE id BETWEEN gap.first AND gap.last ORDER BY id LIMIT $4) x
     ORDER BY x.id LIMIT $4
)
SELECT 'snapshot' AS kind, 0::bigint AS id,
       jsonb_build_object('oldest', pg_snapshot_xmin(s)::text::bigint, 'next', pg_snapshot_xmax(s)::text::bigint) AS facts
  FROM held, pg_current_snapshot() s
UNION ALL
SELECT 'task_head', max(id), jsonb_build_object(
       'rows', count(*), 'late', ARRAY(SELECT id FROM task_late ORDER BY id),
       'missing', (SELECT jsonb_agg(jsonb_build_object('first', lower(gap), 'last', upper(gap) - 1) ORDER BY gap)
                     FROM unnest(int8multirange(int8range($5 + 1, max(n.id) + 1)) - range_agg(int8range(n.id, n.id, '[]'))) AS gap))
  FROM task_next n
UNION ALL
SELECT 'step_head', max(id), jsonb_build_object(
       'rows', count(*), 'late', ARRAY(SELECT id FROM step_late ORDER BY id),
       'missing', (SELECT jsonb_agg(jsonb_build_object('first', lower(gap), 'last', upper(gap) - 1) ORDER BY gap)
                     FROM unnest(int8multirange(int8range($8 + 1, max(n.id) + 1)) - range_agg(int8range(n.id, n.id, '[]'))) AS gap))
  FROM step_next n
UNION ALL
SELECT 'task', x.id, jsonb_build_object(
       'task_id', x.task_id, 'from', x.from_state, 'to', x.to_state, 'metadata', x.metadata, 'at', x.created_at,
       'definition_id', r.definition_id, 'correlation_id', r.correlation_id, 'unfinished', r.unfinished,
       'failed', r.failed, 'created_at', t.created_at, 'context', CASE WHEN $12 THEN t.context END)
  FROM tasker_task_transitions x
  JOIN tasker.task_runs r ON r.task_id = ANY (ARRAY[x.task_id])
  JOIN tasker_tasks t ON t.task_id = ANY (ARRAY[x.task_id])
 WHERE x.id = ANY (ARRAY(SELECT id FROM task_next UNION ALL SELECT id FROM task_late))
UNION ALL
SELECT 'step', x.id, jsonb_build_object(
       'task_id', s.task_id, 'step_id', s.workflow_step_id, 'named_step_id', s.named_step_id,
       'from', x.from_state, 'to', x.to_state, 'metadata', x.metadata, 'at', x.created_at,
       'definition_id', r.definition_id, 'attempts', s.attempts, 'retry_limit', s.retry_limit,
       'started_at', s.last_attempted_at, 'processed_at', s.processed_at, 'results', f.results,
       'failure', f.failure, 'due_at', f.due_at)
  FROM tasker_workflow_step_transitions x
  JOIN tasker_workflow_steps s ON s.workflow_step_id = ANY (ARRAY[x.workflow_step_id])
  JOIN tasker.task_runs r ON r.task_id = ANY (ARRAY[s.task_id])
  LEFT JOIN LATERAL (
       -- The failure of this attempt, and when the next one is due: by the delay if it
       -- waits still, by the transition that ended the waiting if not.
       SELECT (SELECT jsonb_build_object('kind', e.kind, 'attempt', e.attempt, 'error', e.error)
                 FROM tasker.step_failures e
                WHERE e.workflow_step_id = x.workflow_step_id AND e.failed_at <= x.created_at
                ORDER BY e.failure_id DESC LIMIT 1) AS failure,
              CASE WHEN x.most_recent
                   THEN (SELECT d.due_at FROM tasker.step_delays d
                          WHERE d.workflow_step_id = x.workflow_step_id AND d.reason = 'retry')
                   ELSE (SELECT n.created_at FROM tasker_workflow_step_transitions n
                          WHERE n.workflow_step_id = x.workflow_step_id AND n.sort_key > x.sort_key
                            AND n.to_state = 'pending' AND NOT n.metadata ? 'action'
                          ORDER BY n.sort_key LIMIT 1) END AS due_at,
              s.results
        ) f ON $13 AND x.to_state = 'error'
 WHERE x.id = ANY (ARRAY(SELECT id FROM step_next UNION ALL SELECT id FROM step_late))
   AND x.to_state = ANY ($11)
 ORDER BY kind, id
