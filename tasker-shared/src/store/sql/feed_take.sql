-- Takes the lease of a cursor if it is free, and says otherwise for how long it is not.
-- Caller: store::feed. LOCKS: the cursor; two at once decide it there.
-- Plan: primary key. $1 name, $2 holder, $3 lease in ms.
WITH taken AS (
    UPDATE tasker.event_cursors
       SET holder = $2, fence = fence + 1,
           lease_ends_at = (clock_timestamp() AT TIME ZONE 'UTC') + $3 * interval '1 millisecond'
     WHERE name = $1
       AND (lease_ends_at IS NULL OR lease_ends_at <= clock_timestamp() AT TIME ZONE 'UTC')
    RETURNING fence, task_position, task_gaps, step_position, step_gaps
)
SELECT fence, task_position, task_gaps, step_position, step_gaps, 0::bigint AS held_ms FROM taken
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL,
       ceil(extract(epoch FROM lease_ends_at - (clock_timestamp() AT TIME ZONE 'UTC')) * 1000)::bigint
  FROM tasker.event_cursors
 WHERE name = $1 AND NOT EXISTS (SELECT FROM taken)
