-- Running steps of one namespace whose lease has run out, out of the messages that
-- a look has found.
-- Caller: the sweep; the answer goes through advance.sql, which checks again.
-- Plan: primary keys throughout. $1: the messages.
-- A lease that ran out after a report was sent may be that report's: nobody
-- renews it any more, and orchestration may have been away or be behind. Reports
-- older than the end of a lease are applied first.
WITH oldest_report AS MATERIALIZED (
    SELECT enqueued_at FROM pgmq.q_step_results ORDER BY msg_id LIMIT 1
), expired AS MATERIALIZED (
    SELECT (q.message->>'step_id')::bigint AS step_id, q.msg_id, q.read_ct,
           q.message ? 'handed_on' AS handed_on
      FROM pgmq.{queue} q
     WHERE q.msg_id = ANY ($1)
       AND q.vt <= clock_timestamp() AND q.read_ct > 0
       AND NOT EXISTS (SELECT 1 FROM oldest_report o WHERE o.enqueued_at <= q.vt)
), running AS MATERIALIZED (
    SELECT s.workflow_step_id, s.task_id, s.named_step_id, s.attempts,
           COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, e.msg_id, e.read_ct, e.handed_on
      FROM expired e
      JOIN tasker_workflow_steps s ON s.workflow_step_id = e.step_id
     WHERE s.workflow_step_id = ANY (ARRAY(SELECT step_id FROM expired)) AND s.in_process
)
SELECT l.*, r.definition_id
  FROM running l
  JOIN tasker.task_runs r ON r.task_id = l.task_id
 WHERE r.task_id = ANY (ARRAY(SELECT task_id FROM running))
