, hits AS MATERIALIZED (
    -- Tail shared by everything that ends a step. Expects
    --   locked(task_id, priority, traceparent)   the locked task rows
    --   flipped(workflow_step_id, task_id, satisfies, again, d_active,
    --           d_unfinished, d_failed)          the steps just changed
    -- and unblocks children, enqueues what became ready, counts, finalizes.
    SELECT e.to_step_id, f.task_id, count(*)::integer AS n
      FROM tasker_workflow_step_edges e
      JOIN flipped f ON f.workflow_step_id = e.from_step_id
     WHERE e.from_step_id = ANY (ARRAY(SELECT workflow_step_id FROM flipped WHERE satisfies))
     GROUP BY e.to_step_id, f.task_id
), opened AS (
    -- The row lock makes exactly one transaction see zero.
    UPDATE tasker.step_gates g
       SET unmet = g.unmet - h.n
      FROM hits h
     WHERE g.workflow_step_id = ANY (ARRAY(SELECT to_step_id FROM hits))
       AND g.workflow_step_id = h.to_step_id
    RETURNING g.workflow_step_id, g.unmet, g.sealed
), ready AS MATERIALIZED (
    -- A child without a gate has one parent, and that one has just finished.
    SELECT h.to_step_id AS step_id, h.task_id
      FROM hits h LEFT JOIN opened o ON o.workflow_step_id = h.to_step_id
     WHERE o.workflow_step_id IS NULL OR (o.unmet = 0 AND NOT o.sealed)
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
), counted AS (
    UPDATE tasker.task_runs r
       SET active = r.active + d.active,
           unfinished = r.unfinished + d.unfinished,
           failed = r.failed + d.failed
      FROM (SELECT task_id, sum(d_active)::integer AS active, sum(d_unfinished)::integer AS unfinished,
                   sum(d_failed)::integer AS failed
              FROM (SELECT task_id, d_active, d_unfinished, d_failed FROM flipped
                    UNION ALL
                    SELECT task_id, 1, 0, 0 FROM ready) changes
             GROUP BY task_id) d
     WHERE r.task_id = ANY (ARRAY(SELECT task_id FROM locked))
       AND r.task_id = d.task_id
       AND (d.active, d.unfinished, d.failed) <> (0, 0, 0)
    RETURNING r.task_id, r.active, r.unfinished, r.failed
), final AS MATERIALIZED (
    SELECT task_id, CASE WHEN unfinished = 0 THEN 'complete'
                         WHEN failed > 0 THEN 'error'
                         ELSE 'cancelled' END AS state
      FROM counted WHERE active = 0
), task_closed AS (
    UPDATE tasker_task_transitions x
       SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE x.task_id = ANY (ARRAY(SELECT task_id FROM final)) AND x.most_recent
    RETURNING x.task_id, x.to_state, x.sort_key
), task_audited AS (
    INSERT INTO tasker_task_transitions
           (task_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
    SELECT f.task_id, COALESCE(c.to_state, 'pending'), f.state, '{}'::jsonb,
           COALESCE(c.sort_key, 0) + 10, true,
           statement_timestamp() AT TIME ZONE 'UTC', statement_timestamp() AT TIME ZONE 'UTC'
      FROM final f LEFT JOIN task_closed c USING (task_id)
), task_completed AS (
    UPDATE tasker_tasks t
       SET complete = true, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE t.task_id = ANY (ARRAY(SELECT task_id FROM final WHERE state = 'complete'))
)
-- One row, however many steps: rows cost their reader more than arrays do.
SELECT ARRAY(SELECT workflow_step_id FROM flipped) AS applied,
       (SELECT count(*) FROM ready) AS enqueued,
       ARRAY(SELECT task_id FROM final) AS finished,
       ARRAY(SELECT state FROM final) AS states
