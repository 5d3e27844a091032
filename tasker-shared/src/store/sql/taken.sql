     , taken.*
  FROM (SELECT array_agg(s.workflow_step_id) AS taken, array_agg(r.only_parent_id) AS parents,
               array_agg(s.named_step_id) AS named, array_agg(s.attempts) AS numbers,
               array_agg(s.retry_limit) AS limits, array_agg(s.retryable) AS retryable,
               array_agg(e.msg_id) AS messages, array_agg(s.inputs) AS inputs,
               array_agg(s.results) AS previous
          FROM started s
          JOIN enqueued e USING (workflow_step_id)
          JOIN ready r ON r.step_id = s.workflow_step_id) taken
