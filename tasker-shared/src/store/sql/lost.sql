-- Running steps of one namespace whose lease has run out, and steps in the queue
-- that have no attempt left (their worker died with the last one, or the limit
-- was lowered): both end as a lost attempt.
-- Caller: the sweep; the answer goes through advance.sql, which checks again.
-- Reads the queue table once: a lease needs no index of its own, and the hot
-- updates of the queue stay without index writes. $1: most steps at a time.
SELECT s.workflow_step_id, s.task_id, s.named_step_id, s.attempts,
       COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, q.msg_id, q.read_ct, r.definition_id
  FROM pgmq.{queue} q
  JOIN tasker_workflow_steps s ON s.workflow_step_id = (q.message->>'step_id')::bigint
  JOIN tasker.task_runs r ON r.task_id = s.task_id
 WHERE q.vt <= clock_timestamp()
   AND q.read_ct > 0
   AND s.in_process
 ORDER BY q.vt
 LIMIT $1
