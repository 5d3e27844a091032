(-- The leases of one namespace: how long until the next one ends, and the messages
 -- of running steps whose lease has ended.
 -- Caller: the timer's look, a single statement with one such part a namespace.
 -- Plan: the queue's primary key from the front, then one probe of the steps for
 --   each ended lease. Leases have no index of their own, so that claims and
 --   renewals stay hot updates.
 -- Claims go from the front too: behind {depth} steps that no worker has taken yet
 -- nothing is read, unless {depth} is NULL. A step back there could not run again
 -- before those in front of it.
 WITH edge AS MATERIALIZED (
    SELECT msg_id FROM pgmq.{queue}
     WHERE read_ct = 0 AND {depth}::bigint IS NOT NULL
     ORDER BY msg_id OFFSET {depth}::bigint LIMIT 1
 ), held AS MATERIALIZED (
    SELECT msg_id, vt, (message->>'step_id')::bigint AS step_id
      FROM pgmq.{queue}
     WHERE read_ct > 0 AND msg_id < COALESCE((SELECT msg_id FROM edge), 9223372036854775807)
 ), ended AS MATERIALIZED (
    SELECT msg_id, step_id FROM held WHERE vt <= statement_timestamp()
 ), running AS MATERIALIZED (
    SELECT workflow_step_id
      FROM tasker_workflow_steps
     WHERE workflow_step_id = ANY (ARRAY(SELECT step_id FROM ended)) AND in_process
 )
 SELECT CASE WHEN EXISTS (SELECT FROM edge) THEN 'front' ELSE 'leases' END, '{namespace}',
        (SELECT ceil(extract(epoch FROM min(vt) - statement_timestamp()) * 1000)::bigint
           FROM held WHERE vt > statement_timestamp()),
        ARRAY(SELECT msg_id FROM ended WHERE step_id IN (SELECT workflow_step_id FROM running)))
