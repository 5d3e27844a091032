-- Head for what an operator does to steps of one task; propagate.sql follows.
-- Caller: store::operate, with the task row locked and the steps changed before
--   in the same transaction.
-- $1 step ids, $2 their task, $3 children may run, $4 enqueue again,
-- $5, $6, $7 changes of active, unfinished and failed for each step.
WITH locked AS MATERIALIZED (
    SELECT task_id, priority, traceparent FROM tasker.task_runs WHERE task_id = $2
), flipped AS MATERIALIZED (
    SELECT i.workflow_step_id, $2::bigint AS task_id, $3::boolean AS satisfies, $4::boolean AS again,
           i.d_active, i.d_unfinished, i.d_failed
      FROM unnest($1::bigint[], $5::integer[], $6::integer[], $7::integer[])
           AS i(workflow_step_id, d_active, d_unfinished, d_failed)
)
