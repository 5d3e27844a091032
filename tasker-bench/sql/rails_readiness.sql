-- Readiness of every step of one task, as the Rails engine decides it: the columns and
-- the rules of its function get_step_readiness_status, written from their description
-- and for all steps at once. The measurement compares the engine with whichever of the
-- two is faster, so that it does not beat a slow rendering of the rules.
-- $1: the task.
WITH parents AS (
    -- Of whatever task; a step that is nobody's child is not here.
    SELECT e.to_step_id AS workflow_step_id,
           count(*)::integer AS total,
           (count(*) FILTER (WHERE x.to_state IN ('complete', 'resolved_manually')))::integer AS done
      FROM tasker_workflow_steps s
      JOIN tasker_workflow_step_edges e ON e.to_step_id = s.workflow_step_id
      LEFT JOIN tasker_workflow_step_transitions x
             ON x.workflow_step_id = e.from_step_id AND x.most_recent
     WHERE s.task_id = $1
     GROUP BY e.to_step_id
), facts AS (
    SELECT s.workflow_step_id, s.task_id, s.named_step_id,
           COALESCE(x.to_state, 'pending')::text AS state,
           COALESCE(p.total, 0) AS total,
           COALESCE(p.done, 0) AS done,
           COALESCE(s.attempts, 0) AS attempts,
           COALESCE(s.retry_limit, 3) AS retry_limit,
           s.backoff_request_seconds,
           s.last_attempted_at,
           s.processed IS NOT TRUE AND s.in_process IS NOT TRUE AND s.retryable IS NOT FALSE AS open,
           CASE WHEN x.to_state = 'error' THEN x.created_at END AS failed_at,
           s.last_attempted_at + make_interval(secs => s.backoff_request_seconds) AS explicit_until,
           -- 2, 4, 8, 16, 30, 30, ... seconds after the failure.
           CASE WHEN x.to_state = 'error' THEN
                x.created_at + make_interval(secs => CASE WHEN s.attempts >= 5 THEN 30
                                                          ELSE 2 ^ COALESCE(s.attempts, 1) END)
           END AS failure_until
      FROM tasker_workflow_steps s
      LEFT JOIN tasker_workflow_step_transitions x
             ON x.workflow_step_id = s.workflow_step_id AND x.most_recent
      LEFT JOIN parents p ON p.workflow_step_id = s.workflow_step_id
     WHERE s.task_id = $1
)
SELECT f.workflow_step_id,
       f.task_id,
       f.named_step_id,
       n.name::text AS name,
       f.state AS current_state,
       f.done = f.total AS dependencies_satisfied,
       f.attempts < f.retry_limit AS retry_eligible,
       f.state IN ('pending', 'error')
           AND f.open
           AND f.done = f.total
           AND f.attempts < f.retry_limit
           AND COALESCE(GREATEST(f.explicit_until, f.failure_until) <= now() AT TIME ZONE 'UTC', true)
           AS ready_for_execution,
       f.failed_at AS last_failure_at,
       COALESCE(f.explicit_until, f.failure_until) AS next_retry_at,
       f.total AS total_parents,
       f.done AS completed_parents,
       f.attempts,
       f.retry_limit,
       f.backoff_request_seconds,
       f.last_attempted_at
  FROM facts f
  LEFT JOIN tasker_named_steps n USING (named_step_id)
