-- The steps of tasks, each with the transitions that say when it became ready, failed or
-- ended: what rounds are made of.
-- Caller: store::feed, if an event wanted speaks of rounds. LOCKS: none.
-- Plan: workflow_steps_task_id_index, then by workflow_step_id and sort_key.
-- $1 tasks.
SELECT s.task_id, s.workflow_step_id, s.named_step_id,
       ARRAY(SELECT x.id FROM tasker_workflow_step_transitions x
              WHERE x.workflow_step_id = s.workflow_step_id AND x.to_state <> 'in_progress' ORDER BY x.sort_key) AS ids,
       ARRAY(SELECT x.to_state::text || CASE x.metadata->>'action' WHEN 'cancel' THEN ' by hand' ELSE '' END
               FROM tasker_workflow_step_transitions x
              WHERE x.workflow_step_id = s.workflow_step_id AND x.to_state <> 'in_progress' ORDER BY x.sort_key) AS states,
       ARRAY(SELECT x.created_at FROM tasker_workflow_step_transitions x
              WHERE x.workflow_step_id = s.workflow_step_id AND x.to_state <> 'in_progress' ORDER BY x.sort_key) AS times
  FROM tasker_workflow_steps s
 WHERE s.task_id = ANY ($1)
 ORDER BY s.workflow_step_id
