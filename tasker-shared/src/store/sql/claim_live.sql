, start_closed AS (
    -- Live audit: the start of the attempt is written when it starts.
    UPDATE tasker_workflow_step_transitions x
       SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE x.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM started))
       AND x.most_recent AND x.to_state <> 'in_progress'
    RETURNING x.workflow_step_id, x.to_state, x.sort_key
), start_audited AS (
    -- A step that was handed back is in progress already.
    INSERT INTO tasker_workflow_step_transitions
           (workflow_step_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
    SELECT s.workflow_step_id, COALESCE(c.to_state, 'pending'), 'in_progress', '{}'::jsonb,
           COALESCE(c.sort_key, 0) + 10, true,
           statement_timestamp() AT TIME ZONE 'UTC', statement_timestamp() AT TIME ZONE 'UTC'
      FROM started s LEFT JOIN start_closed c USING (workflow_step_id)
     WHERE s.workflow_step_id <> ALL (ARRAY(
               SELECT x.workflow_step_id FROM tasker_workflow_step_transitions x
                WHERE x.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM started))
                  AND x.most_recent AND x.to_state = 'in_progress'))
)
