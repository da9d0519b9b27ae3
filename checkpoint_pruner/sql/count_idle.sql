-- Count what deleting idle threads would remove.
SELECT
    'checkpoints' AS kind,
    c.thread_id AS name,
    count(*) AS count,
    sum(pg_column_size(c.checkpoint) + pg_column_size(c.metadata))::bigint AS bytes
FROM checkpoints AS c
JOIN idle AS i USING (thread_id)
GROUP BY c.thread_id
UNION ALL
SELECT 'checkpoint_blobs', b.thread_id, count(*), sum(coalesce(pg_column_size(b.blob), 0))::bigint
FROM checkpoint_blobs AS b
JOIN idle AS i USING (thread_id)
GROUP BY b.thread_id
UNION ALL
SELECT 'checkpoint_writes', w.thread_id, count(*), sum(pg_column_size(w.blob))::bigint
FROM checkpoint_writes AS w
JOIN idle AS i USING (thread_id)
GROUP BY w.thread_id
