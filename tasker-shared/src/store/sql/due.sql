-- Enqueues the steps of one namespace whose waiting time is over.
-- Caller: the sweep of every orchestrator; several may run at once, the task
--   lock and the DELETE decide who gets a step.
-- LOCKS: task_runs by task_id, then the delays, transitions and (new) messages.
-- Plan: step_delays_due, then primary keys.
-- $1: most steps at a time.
WITH candidates AS MATERIALIZED (
    SELECT workflow_step_id, task_id
      FROM tasker.step_delays
     WHERE due_at <= statement_timestamp() AT TIME ZONE 'UTC' AND namespace = '{namespace}'
     ORDER BY due_at
     LIMIT $1
), locked AS MATERIALIZED (
    SELECT task_id, priority, traceparent
      FROM tasker.task_runs
     WHERE task_id = ANY (ARRAY(SELECT task_id FROM candidates))
     ORDER BY task_id
       FOR NO KEY UPDATE
), due AS (
    DELETE FROM tasker.step_delays d
     WHERE d.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM candidates))
       AND d.task_id IN (SELECT task_id FROM locked)
       AND d.due_at <= statement_timestamp() AT TIME ZONE 'UTC'
    RETURNING d.workflow_step_id, d.task_id, d.reason
), closed AS (
    UPDATE tasker_workflow_step_transitions x
       SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE x.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM due WHERE reason = 'retry'))
       AND x.most_recent
    RETURNING x.workflow_step_id, x.to_state, x.sort_key
), audited AS (
    INSERT INTO tasker_workflow_step_transitions
           (workflow_step_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
    SELECT c.workflow_step_id, c.to_state, 'pending', '{}'::jsonb, c.sort_key + 10, true,
           statement_timestamp() AT TIME ZONE 'UTC', statement_timestamp() AT TIME ZONE 'UTC'
      FROM closed c
), enqueued AS (
    INSERT INTO pgmq.{queue} (msg_id, vt, message, headers) OVERRIDING SYSTEM VALUE
    SELECT nextval('pgmq.{queue}_msg_id_seq') - (l.priority::bigint << 48), clock_timestamp(),
           jsonb_build_object('task_id', d.task_id, 'step_id', d.workflow_step_id),
           CASE WHEN l.traceparent IS NOT NULL THEN jsonb_build_object('traceparent', l.traceparent) END
      FROM due d JOIN locked l USING (task_id)
)
SELECT workflow_step_id, reason FROM due
