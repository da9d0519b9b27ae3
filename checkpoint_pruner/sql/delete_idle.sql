-- Delete whole threads that have been idle for too long.
, deleted AS (
    DELETE FROM checkpoints AS c
    USING idle AS i
    WHERE c.thread_id = i.thread_id
    RETURNING c.thread_id, pg_column_size(c.checkpoint) + pg_column_size(c.metadata) AS bytes
),
deleted_blob AS (
    DELETE FROM checkpoint_blobs AS b
    USING idle AS i
    WHERE b.thread_id = i.thread_id
    RETURNING b.thread_id, coalesce(pg_column_size(b.blob), 0) AS bytes
),
deleted_write AS (
    DELETE FROM checkpoint_writes AS w
    USING idle AS i
    WHERE w.thread_id = i.thread_id
    RETURNING w.thread_id, pg_column_size(w.blob) AS bytes
)
SELECT 'checkpoints' AS kind, thread_id AS name, count(*) AS count, sum(bytes)::bigint AS bytes
FROM deleted
GROUP BY thread_id
UNION ALL
SELECT 'checkpoint_blobs', thread_id, count(*), sum(bytes)::bigint
FROM deleted_blob
GROUP BY thread_id
UNION ALL
SELECT 'checkpoint_writes', thread_id, count(*), sum(bytes)::bigint
FROM deleted_write
GROUP BY thread_id
