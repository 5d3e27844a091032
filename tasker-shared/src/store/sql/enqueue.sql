), enqueued AS (
    -- The priority shifts the message id, so that reading in id order is
    -- reading in priority order and needs no further index.
    INSERT INTO pgmq.{queue} (msg_id, vt, message, headers) OVERRIDING SYSTEM VALUE
    SELECT nextval('pgmq.{queue}_msg_id_seq') - (l.priority::bigint << 48), clock_timestamp(),
           jsonb_build_object('task_id', r.task_id, 'step_id', r.step_id),
           CASE WHEN l.traceparent IS NOT NULL THEN jsonb_build_object('traceparent', l.traceparent) END
      FROM (SELECT step_id, task_id FROM ready
            UNION ALL
            SELECT workflow_step_id, task_id FROM flipped WHERE again) r
      JOIN locked l USING (task_id)
