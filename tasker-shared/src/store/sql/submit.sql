-- Writes new tasks of one namespace with all that belongs to them, and enqueues
-- their first steps. One statement, so one round trip and one commit: with one for
-- each table a lone task took twice as long to its first step.
-- Caller: store::submit, on a connection with the settings of the hot path; and hosts
--   of a binding on connections of their own, with any.
-- LOCKS: only rows it inserts; in the order of the identity, so that two
--   statements with the same identities wait for each other in one direction.
-- A task whose identity exists is left out, and so is all that belongs to it.
-- A host's connection may lead to another database: there a condition stands in the place of
--   `same`, so that ids of other templates write nothing.
-- Ids come from the sequences of the Rails tables, in the order of the arrays.
-- Tasks: $1 named task, $2 requested at, $3 initiator, $4 source system, $5 reason,
--   $6 tags, $7 context, $8 identity, $9 definition, $10 priority, $11 roots,
--   $12 steps, $13 idempotency key, $14 correlation id, $15 traceparent,
--   $16 bypassed steps.
-- Steps, of all tasks: $17 number of the task, $18 named step, $19 retryable,
--   $20 retry limit, $21 skippable, $22 parents.
-- Edges: $23 and $24 numbers of the steps from and to. Numbers begin with 1.
WITH task AS MATERIALIZED (
    SELECT nextval('tasker_tasks_task_id_seq') AS task_id, t.*
      FROM unnest($1::integer[], $2::timestamp[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[],
                  $8::text[], $9::bigint[], $10::integer[], $11::integer[], $12::integer[], $13::text[],
                  $14::text[], $15::text[], $16::text[]) WITH ORDINALITY
        AS t(named_task_id, requested_at, initiator, source_system, reason, tags, context, identity_hash,
             definition_id, priority, roots, steps, idempotency_key, correlation_id, traceparent, bypass_steps, number)
     {same}
), inserted AS (
    INSERT INTO tasker_tasks
           (task_id, named_task_id, complete, requested_at, initiator, source_system, reason,
            bypass_steps, tags, context, identity_hash, created_at, updated_at)
    SELECT task_id, named_task_id, false, requested_at, initiator, source_system, reason,
           bypass_steps::json, tags, context, identity_hash, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
      FROM task
     ORDER BY identity_hash
    ON CONFLICT (identity_hash) DO NOTHING
    RETURNING task_id, created_at
), fresh AS MATERIALIZED (
    SELECT t.*, i.created_at FROM task t JOIN inserted i USING (task_id)
), step AS MATERIALIZED (
    -- Sorted, as a join gives its rows in any order, and steps are shown by their ids.
    SELECT nextval('tasker_workflow_steps_workflow_step_id_seq') AS step_id, o.*
      FROM (SELECT s.*, f.task_id, f.priority, f.traceparent
              FROM unnest($17::integer[], $18::integer[], $19::boolean[], $20::integer[], $21::boolean[],
                          $22::integer[]) WITH ORDINALITY
                   AS s(task_number, named_step_id, retryable, retry_limit, skippable, parents, number)
              JOIN fresh f ON f.number = s.task_number
             ORDER BY s.number) AS o
), steps AS (
    INSERT INTO tasker_workflow_steps
           (workflow_step_id, task_id, named_step_id, retryable, retry_limit, in_process, processed,
            attempts, inputs, results, created_at, updated_at, skippable)
    SELECT s.step_id, s.task_id, s.named_step_id, s.retryable, s.retry_limit, false, false,
           0, f.context, '{}'::jsonb, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', s.skippable
      FROM step s JOIN fresh f USING (task_id)
), edges AS (
    INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
    SELECT p.step_id, c.step_id, 'provides', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
      FROM unnest($23::integer[], $24::integer[]) AS e(parent, child)
      JOIN step p ON p.number = e.parent
      JOIN step c ON c.number = e.child
), gates AS (
    INSERT INTO tasker.step_gates (workflow_step_id, task_id, unmet)
    SELECT step_id, task_id, parents FROM step WHERE parents > 1
), audited AS (
    -- A task is in progress from the start. That is how the Rails engine's own
    -- workers see that it is taken: they start only what is pending.
    INSERT INTO tasker_task_transitions
           (task_id, from_state, to_state, metadata, sort_key, most_recent, created_at, updated_at)
    SELECT task_id, 'pending', 'in_progress',
           jsonb_build_object('initialization_completed', true, 'step_dependencies_established', steps),
           10, true, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
      FROM fresh
), runs AS (
    INSERT INTO tasker.task_runs
           (task_id, definition_id, namespace, priority, active, unfinished,
            idempotency_key, correlation_id, traceparent)
    SELECT task_id, definition_id, '{namespace}', priority, roots, steps,
           idempotency_key, correlation_id, traceparent
      FROM fresh
), enqueued AS (
    INSERT INTO pgmq.{queue} (msg_id, vt, message, headers) OVERRIDING SYSTEM VALUE
    SELECT nextval('pgmq.{queue}_msg_id_seq') - (s.priority::bigint << 48), clock_timestamp(),
           jsonb_build_object('task_id', s.task_id, 'step_id', s.step_id),
           CASE WHEN s.traceparent IS NOT NULL THEN jsonb_build_object('traceparent', s.traceparent) END
      FROM step s
     WHERE s.parents = 0
)
SELECT number, task_id, created_at FROM fresh
