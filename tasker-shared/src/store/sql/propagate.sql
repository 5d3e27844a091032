, hits AS MATERIALIZED (
    -- Tail shared by everything that ends a step. Expects
    --   locked(task_id, priority, traceparent)   the locked task rows
    --   flipped(workflow_step_id, task_id, satisfies, again, d_active,
    --           d_unfinished, d_failed)          the steps just changed
    -- and unblocks children, enqueues what became ready (enqueue.sql, or take.sql for
    -- a worker that goes on with it), counts, finalizes (settle.sql).
    SELECT e.to_step_id, f.task_id, count(*)::integer AS n, min(e.from_step_id) AS parent_id
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
    SELECT h.to_step_id AS step_id, h.task_id,
           CASE WHEN o.workflow_step_id IS NULL THEN h.parent_id END AS only_parent_id
      FROM hits h LEFT JOIN opened o ON o.workflow_step_id = h.to_step_id
     WHERE o.workflow_step_id IS NULL OR (o.unmet = 0 AND NOT o.sealed)
