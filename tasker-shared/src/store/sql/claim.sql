-- Takes up to $1 steps of one namespace and starts an attempt of each.
-- Caller: the worker's fetcher, one per namespace and process. The commit may be
-- asynchronous: a lost claim is a message that becomes visible again.
-- LOCKS: queue row, then step row, both SKIP LOCKED: a claim never waits, so it
--   takes no part in any deadlock and needs no task lock.
-- Plan: walks the queue's primary key from the front, one probe of
--   tasker_workflow_steps_pkey a row. The join is written as `= ANY (ARRAY[..])`
--   because it can then be done in no other way: the planner, which knows nothing
--   of the limit, would hash all steps.
-- A step that is already in process is left to the sweep even when its lease has
-- run out: the lost attempt must be booked before the next one starts.
-- Contexts and parents' results come with it, for one statement costs a lone step
-- less than two; whatever many steps share is sent once. Results of a complete
-- parent never change, so the snapshot holds what the child must see. Plans:
-- tasker_tasks_pkey, idx_step_edges_to_from, tasker_workflow_steps_pkey.
-- $2: lease in milliseconds. $3: the message id to begin at.
WITH picked AS MATERIALIZED (
    SELECT q.msg_id, s.workflow_step_id
      FROM pgmq.{queue} q
      JOIN tasker_workflow_steps s ON s.workflow_step_id = ANY (ARRAY[(q.message->>'step_id')::bigint])
     WHERE q.msg_id >= $3
       AND q.vt <= clock_timestamp()
       AND NOT s.in_process
       AND NOT s.processed
       AND COALESCE(s.attempts, 0) < COALESCE(s.retry_limit, 3)
     ORDER BY q.msg_id
     LIMIT $1
       FOR NO KEY UPDATE OF q, s SKIP LOCKED
), leased AS (
    UPDATE pgmq.{queue} q
       SET vt = clock_timestamp() + $2 * interval '1 millisecond',
           read_ct = q.read_ct + 1,
           last_read_at = clock_timestamp()
     WHERE q.msg_id = ANY (ARRAY(SELECT msg_id FROM picked))
    RETURNING q.msg_id, q.read_ct, (q.message->>'step_id')::bigint AS workflow_step_id
), started AS (
    UPDATE tasker_workflow_steps s
       SET in_process = true,
           attempts = COALESCE(s.attempts, 0) + 1,
           last_attempted_at = statement_timestamp() AT TIME ZONE 'UTC',
           updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE s.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM picked))
    RETURNING s.workflow_step_id, s.task_id, s.named_step_id, s.attempts,
              COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, s.inputs, s.results
), links AS MATERIALIZED (
    SELECT e.from_step_id, array_agg(e.to_step_id) AS children
      FROM tasker_workflow_step_edges e
     WHERE e.to_step_id = ANY (ARRAY(SELECT workflow_step_id FROM started))
     GROUP BY e.from_step_id
){live}
SELECT s.workflow_step_id, s.task_id, s.named_step_id, s.inputs AS body, NULL::bigint[] AS children,
       s.results AS previous, s.attempts, s.retry_limit, s.retryable, l.msg_id, l.read_ct,
       r.definition_id, r.correlation_id, r.traceparent
  FROM started s
  JOIN leased l USING (workflow_step_id)
  JOIN tasker.task_runs r ON r.task_id = s.task_id
 WHERE r.task_id = ANY (ARRAY(SELECT task_id FROM started))
UNION ALL
SELECT NULL, t.task_id, NULL, t.context, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM tasker_tasks t
 WHERE t.task_id = ANY (ARRAY(SELECT task_id FROM started))
UNION ALL
SELECT NULL, NULL, p.named_step_id, p.results, l.children, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM links l
  JOIN tasker_workflow_steps p ON p.workflow_step_id = l.from_step_id
 WHERE p.workflow_step_id = ANY (ARRAY(SELECT from_step_id FROM links))
