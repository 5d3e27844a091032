-- Mends the messages of tasks locked by suspects.sql, in the same transaction.
-- A statement of its own: its snapshot is younger than the locks, and messages
-- come and go only under them. $1: the locked tasks.
-- One message for each step that runs or is ready and has no delay; none else.
WITH standing AS MATERIALIZED (
    SELECT s.workflow_step_id, s.task_id, s.in_process,
           s.in_process OR (
             NOT s.processed
             AND COALESCE(x.to_state, 'pending') IN ('pending', 'in_progress')
             AND NOT EXISTS (SELECT 1 FROM tasker.step_delays d WHERE d.workflow_step_id = s.workflow_step_id)
             AND NOT EXISTS (SELECT 1 FROM tasker.step_gates g
                              WHERE g.workflow_step_id = s.workflow_step_id AND (g.unmet > 0 OR g.sealed))
             AND NOT EXISTS (SELECT 1
                               FROM tasker_workflow_step_edges e
                               LEFT JOIN tasker_workflow_step_transitions p
                                      ON p.workflow_step_id = e.from_step_id AND p.most_recent
                              WHERE e.to_step_id = s.workflow_step_id
                                AND COALESCE(p.to_state, 'pending') NOT IN ('complete', 'resolved_manually'))
           ) AS live
      FROM tasker_workflow_steps s
      LEFT JOIN tasker_workflow_step_transitions x
             ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
     WHERE s.task_id = ANY ($1)
), messages AS MATERIALIZED (
    SELECT q.msg_id, st.workflow_step_id,
           row_number() OVER (PARTITION BY st.workflow_step_id ORDER BY q.read_ct DESC, q.msg_id) AS copy
      FROM pgmq.{queue} q
      LEFT JOIN standing st ON st.live AND st.workflow_step_id = (q.message->>'step_id')::bigint
     WHERE (q.message->>'task_id')::bigint = ANY ($1)
), deleted AS (
    DELETE FROM pgmq.{queue} q
     WHERE q.msg_id = ANY (ARRAY(SELECT msg_id FROM messages WHERE workflow_step_id IS NULL OR copy > 1))
    RETURNING q.msg_id
), missing AS MATERIALIZED (
    SELECT workflow_step_id, task_id, in_process
      FROM standing
     WHERE live AND workflow_step_id NOT IN (SELECT workflow_step_id FROM messages WHERE workflow_step_id IS NOT NULL)
), released AS (
    -- An execution whose message is gone can report nothing any more. Its
    -- attempt stays counted.
    UPDATE tasker_workflow_steps s
       SET in_process = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE s.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM missing WHERE in_process))
), enqueued AS (
    INSERT INTO pgmq.{queue} (msg_id, vt, message, headers) OVERRIDING SYSTEM VALUE
    SELECT nextval('pgmq.{queue}_msg_id_seq') - (r.priority::bigint << 48), clock_timestamp(),
           jsonb_build_object('task_id', m.task_id, 'step_id', m.workflow_step_id),
           CASE WHEN r.traceparent IS NOT NULL THEN jsonb_build_object('traceparent', r.traceparent) END
      FROM missing m JOIN tasker.task_runs r USING (task_id)
    RETURNING msg_id
), recounted AS (
    UPDATE tasker.task_runs r
       SET active = c.n
      FROM (SELECT task_id, count(*) AS n
              FROM (SELECT task_id FROM standing WHERE live
                    UNION ALL
                    SELECT task_id FROM tasker.step_delays WHERE task_id = ANY ($1)) a
             GROUP BY task_id) c
     WHERE r.task_id = c.task_id AND r.active <> c.n
)
SELECT 'enqueued' AS kind, msg_id FROM enqueued
UNION ALL
SELECT 'deleted', msg_id FROM deleted
