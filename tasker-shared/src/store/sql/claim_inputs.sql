-- Contexts of the claimed tasks and results of the claimed steps' parents.
-- Caller: the worker, once per claim. Locks nothing. A parent's results never
-- change once it is complete, so a plain read sees what the child must see.
-- Plan: tasker_tasks_pkey, idx_step_edges_to_from, tasker_workflow_steps_pkey.
-- $1: step ids, $2: their distinct task ids.
WITH links AS MATERIALIZED (
    SELECT e.from_step_id, array_agg(e.to_step_id) AS children
      FROM tasker_workflow_step_edges e
     WHERE e.to_step_id = ANY ($1)
     GROUP BY e.from_step_id
)
SELECT t.task_id AS id, NULL::integer AS named_step_id, t.context AS body, NULL::bigint[] AS children
  FROM tasker_tasks t
 WHERE t.task_id = ANY ($2)
UNION ALL
SELECT p.workflow_step_id, p.named_step_id, p.results, l.children
  FROM links l
  JOIN tasker_workflow_steps p ON p.workflow_step_id = l.from_step_id
 WHERE p.workflow_step_id = ANY (ARRAY(SELECT from_step_id FROM links))
