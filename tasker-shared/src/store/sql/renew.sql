-- Renews the leases of running steps of one namespace, and says which are lost.
-- Caller: the worker, every third of a lease. Locks queue rows, SKIP LOCKED: a
-- row that is locked is being completed or is about to be lost; either shows
-- next time. Plan: the queue's primary key.
-- $1: message ids, $2: lease tokens, $3: lease in milliseconds.
WITH held AS MATERIALIZED (
    SELECT i.msg_id, i.token FROM unnest($1::bigint[], $2::integer[]) AS i(msg_id, token)
), mine AS MATERIALIZED (
    SELECT q.msg_id, q.read_ct
      FROM pgmq.{queue} q
     WHERE q.msg_id = ANY ($1)
       FOR NO KEY UPDATE OF q SKIP LOCKED
), renewed AS (
    UPDATE pgmq.{queue} q
       SET vt = clock_timestamp() + $3 * interval '1 millisecond'
     WHERE q.msg_id = ANY (ARRAY(SELECT m.msg_id FROM mine m JOIN held h ON h.msg_id = m.msg_id AND h.token = m.read_ct))
)
SELECT h.msg_id
  FROM held h
  LEFT JOIN pgmq.{queue} q ON q.msg_id = h.msg_id AND q.msg_id = ANY ($1)
 WHERE q.read_ct IS DISTINCT FROM h.token
