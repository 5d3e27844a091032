-- Locks the tasks of one namespace whose messages do not add up: each active
-- step has either one message or one delay, so where the number differs, hands
-- other than ours were at work. Judged again by repair.sql under the lock.
-- Caller: the sweep, rarely. Reads the queue and the namespace's task rows once.
-- LOCKS: task_runs by task_id, SKIP LOCKED (a busy task is looked at next time).
SELECT task_id
  FROM tasker.task_runs
 WHERE task_id = ANY (ARRAY(
        SELECT r.task_id
          FROM tasker.task_runs r
          LEFT JOIN (SELECT (message->>'task_id')::bigint AS task_id, count(*) AS n
                       FROM pgmq.{queue} GROUP BY 1) m USING (task_id)
          LEFT JOIN (SELECT task_id, count(*) AS n FROM tasker.step_delays GROUP BY 1) d USING (task_id)
         WHERE r.namespace = '{namespace}'
           AND r.active <> COALESCE(m.n, 0) + COALESCE(d.n, 0)
         LIMIT 500))
 ORDER BY task_id
   FOR NO KEY UPDATE SKIP LOCKED
