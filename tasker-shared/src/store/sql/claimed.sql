), leased AS (
    -- Tail of what puts steps into the hands of a worker. Expects
    --   picked(msg_id, workflow_step_id)   their queue and step rows, locked
    --   started(...)                       the steps as they are from now on
    -- and gives them their leases. $2: lease in milliseconds. The mark says of
    -- a message that its holder hands the step on: until somebody has adopted it, no
    -- handler has seen it, and the end of its lease costs no attempt.
    -- Contexts and parents' results come with it, for one statement costs a lone step
    -- less than two; whatever many steps share is sent once. Results of a complete
    -- parent never change, so the snapshot holds what the child must see. Plans:
    -- tasker_tasks_pkey, idx_step_edges_to_from, tasker_workflow_steps_pkey.
    UPDATE pgmq.{queue} q
       SET vt = clock_timestamp() + $2 * interval '1 millisecond',
           read_ct = q.read_ct + 1,
           last_read_at = clock_timestamp(){mark}
     WHERE q.msg_id = ANY (ARRAY(SELECT msg_id FROM picked))
    RETURNING q.msg_id, q.read_ct, (q.message->>'step_id')::bigint AS workflow_step_id
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
