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
