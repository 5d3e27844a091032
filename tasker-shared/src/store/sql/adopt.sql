-- Takes over executions that another process has claimed and handed on: raises their
-- lease tokens, so that whoever had them can neither renew nor report them any more,
-- and starts their leases anew; claimed.sql follows.
-- Caller: the adopter of a process that runs steps as jobs of its host. The commit may
--   be asynchronous: after a crash that forgets it the lease runs out.
-- LOCKS: queue row, then step row, both SKIP LOCKED, as a claim. A row that is locked
--   is being renewed or its attempt is being ended: the caller looks again.
-- FENCE: as in advance.sql. Nobody changes a step that is in process without deleting
--   its message, so the locked queue row is proof enough; the step is in the snapshot.
-- Plan: primary keys throughout.
-- The attempt starts now: its time in the host's queue was not the handler's.
-- $1 message ids, $2 lease in milliseconds, $3 lease tokens, $4 step ids, $5 attempts.
WITH picked AS MATERIALIZED (
    SELECT q.msg_id, s.workflow_step_id
      FROM unnest($1::bigint[], $3::integer[], $4::bigint[], $5::integer[])
           AS i(msg_id, token, step_id, attempt)
      JOIN pgmq.{queue} q ON q.msg_id = i.msg_id
      JOIN tasker_workflow_steps s ON s.workflow_step_id = i.step_id
     WHERE q.msg_id = ANY ($1)
       AND q.read_ct = i.token
       AND (q.message->>'step_id')::bigint = i.step_id
       AND s.workflow_step_id = ANY ($4)
       AND s.attempts = i.attempt
       AND s.in_process
       FOR NO KEY UPDATE OF q, s SKIP LOCKED
), started AS (
    UPDATE tasker_workflow_steps s
       SET last_attempted_at = statement_timestamp() AT TIME ZONE 'UTC',
           updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE s.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM picked))
    RETURNING s.workflow_step_id, s.task_id, s.named_step_id, s.attempts,
              COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, s.inputs, s.results
