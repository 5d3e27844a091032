), started AS (
    -- In place of enqueue.sql: a worker that has room goes on with children of the
    -- steps it has just finished. Their messages begin as leased, so no claim is needed
    -- and the fence is the same. Only children with no other parent: what other parents
    -- left may be younger than this statement's snapshot.
    -- $14 finished steps it may go on after, $15 how many children at most, $16 lease in ms.
    UPDATE tasker_workflow_steps s
       SET in_process = true,
           attempts = COALESCE(s.attempts, 0) + 1,
           last_attempted_at = statement_timestamp() AT TIME ZONE 'UTC',
           updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE s.workflow_step_id = ANY (ARRAY(
               SELECT step_id FROM ready WHERE only_parent_id = ANY ($14) LIMIT $15))
       AND NOT s.in_process
       AND NOT s.processed
       AND COALESCE(s.attempts, 0) < COALESCE(s.retry_limit, 3)
    RETURNING s.workflow_step_id, s.named_step_id, s.attempts,
              COALESCE(s.retry_limit, 3) AS retry_limit, s.retryable, s.inputs, s.results
){live}, enqueued AS (
    INSERT INTO pgmq.{queue} (msg_id, vt, read_ct, last_read_at, message, headers) OVERRIDING SYSTEM VALUE
    SELECT nextval('pgmq.{queue}_msg_id_seq') - (l.priority::bigint << 48),
           clock_timestamp() + CASE WHEN s.workflow_step_id IS NULL THEN 0 ELSE $16 END * interval '1 millisecond',
           CASE WHEN s.workflow_step_id IS NULL THEN 0 ELSE 1 END,
           CASE WHEN s.workflow_step_id IS NOT NULL THEN clock_timestamp() END,
           jsonb_build_object('task_id', r.task_id, 'step_id', r.step_id),
           CASE WHEN l.traceparent IS NOT NULL THEN jsonb_build_object('traceparent', l.traceparent) END
      FROM (SELECT step_id, task_id FROM ready
            UNION ALL
            SELECT workflow_step_id, task_id FROM flipped WHERE again) r
      JOIN locked l USING (task_id)
      LEFT JOIN started s ON s.workflow_step_id = r.step_id
    RETURNING msg_id, (message->>'step_id')::bigint AS workflow_step_id
