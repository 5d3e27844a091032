-- Makes the cursor of a name that nobody has used, and gives one that has read no
-- steps so far its place among them.
-- Caller: store::feed, when it takes the lease. LOCKS: the cursor.
-- Plan: the ends of two primary keys, and a thousand entries of each.
-- $1 name, $2 from the beginning, $3 whether steps' transitions are read.
-- "Now" begins after the newest id. What is missing among the last ones before it
-- belongs to transactions that may be under way: gaps, so that it is not missed.
WITH task_end AS MATERIALIZED (
    SELECT CASE WHEN $2 THEN 0 ELSE COALESCE((SELECT max(id) FROM tasker_task_transitions), 0) END AS position
), step_end AS MATERIALIZED (
    SELECT CASE WHEN $2 THEN 0 ELSE COALESCE((SELECT max(id) FROM tasker_workflow_step_transitions), 0) END AS position
), task_gap AS (
    SELECT gap FROM unnest(
           (SELECT int8multirange(int8range(greatest(position - 1000, 0) + 1, position + 1)) FROM task_end)
         - (SELECT COALESCE(range_agg(int8range(id, id, '[]')), '{}'::int8multirange) FROM tasker_task_transitions
             WHERE id > (SELECT position FROM task_end) - 1000 AND id <= (SELECT position FROM task_end))) AS gap
), step_gap AS (
    SELECT gap FROM unnest(
           (SELECT int8multirange(int8range(greatest(position - 1000, 0) + 1, position + 1)) FROM step_end)
         - (SELECT COALESCE(range_agg(int8range(id, id, '[]')), '{}'::int8multirange) FROM tasker_workflow_step_transitions
             WHERE id > (SELECT position FROM step_end) - 1000 AND id <= (SELECT position FROM step_end))) AS gap
)
INSERT INTO tasker.event_cursors AS c (name, task_position, task_gaps, step_position, step_gaps)
SELECT $1, task_end.position,
       (SELECT COALESCE(jsonb_agg(jsonb_build_object('first', lower(gap), 'last', upper(gap) - 1) ORDER BY gap), '[]') FROM task_gap),
       CASE WHEN $3 THEN step_end.position END,
       CASE WHEN $3 THEN
       (SELECT COALESCE(jsonb_agg(jsonb_build_object('first', lower(gap), 'last', upper(gap) - 1) ORDER BY gap), '[]') FROM step_gap)
       ELSE '[]' END
  FROM task_end, step_end
ON CONFLICT (name) DO UPDATE
   SET step_position = EXCLUDED.step_position, step_gaps = EXCLUDED.step_gaps
 WHERE c.step_position IS NULL AND EXCLUDED.step_position IS NOT NULL
