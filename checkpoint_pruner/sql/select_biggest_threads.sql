-- Threads by the bytes they store, largest first.
SELECT stored.thread_id, sum(stored.checkpoints)::bigint AS checkpoints, sum(stored.bytes)::bigint AS bytes
FROM (
    SELECT
        c.thread_id,
        count(*) AS checkpoints,
        sum(pg_column_size(c.checkpoint) + pg_column_size(c.metadata)) AS bytes
    FROM checkpoints AS c
    GROUP BY c.thread_id
    UNION ALL
    SELECT b.thread_id, 0, sum(pg_column_size(b.blob))
    FROM checkpoint_blobs AS b
    GROUP BY b.thread_id
    UNION ALL
    SELECT w.thread_id, 0, sum(pg_column_size(w.blob))
    FROM checkpoint_writes AS w
    GROUP BY w.thread_id
) AS stored
GROUP BY stored.thread_id
ORDER BY bytes DESC NULLS LAST, stored.thread_id
LIMIT %(top)s
