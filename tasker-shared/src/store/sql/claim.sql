-- Takes up to $1 steps of one namespace and starts an attempt of each; claimed.sql
-- follows.
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
), started AS (
    UPDATE tasker_workflow_steps s
       SET in_process = true,
           attempts = COALESCE(s.attempts, 0) + 1,
           last_attempted_at = statement_timestamp() AT TIME ZONE 'UTC',
           updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE s.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM picked))
    RETURNING s.workflow_step_id, s.task_id, s.named_step_id, s.attempts,
              COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, s.inputs, s.results
