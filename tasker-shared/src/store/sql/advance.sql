-- Applies the outcomes of a batch of attempts, of any mix of tasks of one
-- namespace: fence, flip, audit; then the shared tail (propagate.sql) unblocks,
-- enqueues, counts and finalizes. One statement, so one snapshot: whatever may
-- have changed since it was taken is reached only by UPDATE or DELETE, which
-- look at the newest version of a row again.
-- Caller: store::advance, on a connection with force_generic_plan and without
--   sequential scans (plans made on empty tables would be kept).
-- LOCKS, in order: task_runs by task_id; then, under it, the queue rows, steps,
--   transitions, gates of those tasks. Nobody waits for any of these without
--   the task lock, so their order does not matter.
-- FENCE: message id and lease token name one execution; the attempt must match
--   and the step must be in process. Whatever does not match is a stale report
--   and changes nothing.
-- $1 step ids, $2 task ids, $3 attempts, $4 message ids, $5 lease tokens,
-- $6 changes: 1 complete, 2 retry, 3 fail, 4 hand back, 5 park, 6 complete with
--    the results already in the row,
-- $7 results or error keys, $8 delay in ms, $9 stored error, $10 failure kind or
--    handler class, $11 backoff seconds asked for, $12 only if the lease expired,
-- $13 whether a failure replaces the results: by $7, or if that is NULL by what is in
--    the row already; else the keys in $7 are added to them.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::integer[],
                         $6::smallint[], $7::jsonb[], $8::bigint[], $9::jsonb[], $10::text[],
                         $11::integer[], $12::boolean[], $13::boolean[])
        AS i(step_id, task_id, attempt, msg_id, token, change, payload, delay_ms, error, note,
             backoff_s, only_expired, replaces)
), locked AS MATERIALIZED (
    SELECT task_id, priority, traceparent
      FROM tasker.task_runs
     WHERE task_id = ANY ($2)
     ORDER BY task_id
       FOR NO KEY UPDATE
), fenced AS (
    DELETE FROM pgmq.{queue} q
     USING input i
     WHERE q.msg_id = ANY ($4)
       AND q.msg_id = i.msg_id
       AND q.read_ct = i.token
       AND (NOT i.only_expired OR q.vt <= clock_timestamp())
       AND i.task_id IN (SELECT task_id FROM locked)
    RETURNING i.*
), flipped AS (
    UPDATE tasker_workflow_steps s
       SET in_process = false,
           processed = f.change IN (1, 6),
           processed_at = CASE WHEN f.change IN (1, 6)
                               THEN statement_timestamp() AT TIME ZONE 'UTC' ELSE s.processed_at END,
           attempts = CASE WHEN f.change IN (4, 5) THEN s.attempts - 1 ELSE s.attempts END,
           backoff_request_seconds = COALESCE(f.backoff_s, s.backoff_request_seconds),
           results = CASE
               WHEN f.change = 1 THEN NULLIF(f.payload, 'null'::jsonb)
               WHEN f.change IN (2, 3) AND f.replaces THEN NULLIF(COALESCE(f.payload, s.results), 'null'::jsonb)
               WHEN f.change IN (2, 3) THEN
                    CASE WHEN jsonb_typeof(s.results) = 'object' THEN s.results ELSE '{}'::jsonb END || f.payload
               ELSE s.results END,
           updated_at = statement_timestamp() AT TIME ZONE 'UTC'
      FROM fenced f
     WHERE s.workflow_step_id = ANY ($1)
       AND s.workflow_step_id = f.step_id
       AND s.attempts = f.attempt
       AND s.in_process
    RETURNING s.workflow_step_id, s.task_id, s.last_attempted_at, f.change, f.attempt, f.delay_ms,
              f.error, f.note,
              f.change IN (1, 6) AS satisfies,
              f.change = 4 AS again,
              CASE WHEN f.change IN (1, 3, 6) THEN -1 ELSE 0 END AS d_active,
              CASE WHEN f.change IN (1, 6) THEN -1 ELSE 0 END AS d_unfinished,
              CASE WHEN f.change = 3 THEN 1 ELSE 0 END AS d_failed
), closed AS (
    UPDATE tasker_workflow_step_transitions x
       SET most_recent = false, updated_at = statement_timestamp() AT TIME ZONE 'UTC'
     WHERE x.workflow_step_id = ANY (ARRAY(SELECT workflow_step_id FROM flipped WHERE change NOT IN (4, 5)))
       AND x.most_recent
    RETURNING x.workflow_step_id, x.to_state, x.sort_key
), audited AS (
    -- Folded audit: both rows of the attempt at once, with their true times.
    -- With live audit the first is there already.
    INSERT INTO tasker_workflow_step_transitions
           (workflow_step_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
    SELECT f.workflow_step_id, COALESCE(c.to_state, 'pending'), 'in_progress', '{}'::jsonb,
           COALESCE(c.sort_key, 0) + 10, false, f.last_attempted_at, f.last_attempted_at
      FROM flipped f LEFT JOIN closed c USING (workflow_step_id)
     WHERE f.change NOT IN (4, 5) AND c.to_state IS DISTINCT FROM 'in_progress'
    UNION ALL
    SELECT f.workflow_step_id, 'in_progress', CASE WHEN f.satisfies THEN 'complete' ELSE 'error' END,
           '{}'::jsonb,
           COALESCE(c.sort_key, 0) + CASE WHEN c.to_state = 'in_progress' THEN 10 ELSE 20 END,
           true, statement_timestamp() AT TIME ZONE 'UTC', statement_timestamp() AT TIME ZONE 'UTC'
      FROM flipped f LEFT JOIN closed c USING (workflow_step_id)
     WHERE f.change NOT IN (4, 5)
), failures AS (
    INSERT INTO tasker.step_failures (workflow_step_id, attempt, kind, error, started_at, failed_at)
    SELECT workflow_step_id, attempt, note, error, last_attempted_at, statement_timestamp() AT TIME ZONE 'UTC'
      FROM flipped WHERE change IN (2, 3)
), delayed AS (
    INSERT INTO tasker.step_delays (workflow_step_id, task_id, namespace, due_at, reason, detail)
    SELECT workflow_step_id, task_id, '{namespace}',
           (statement_timestamp() AT TIME ZONE 'UTC') + delay_ms * interval '1 millisecond',
           CASE change WHEN 2 THEN 'retry' ELSE 'no_handler' END,
           CASE change WHEN 5 THEN note END
      FROM flipped WHERE change IN (2, 5)
)
