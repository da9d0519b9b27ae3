-- Delete whole threads.
WITH deleted AS (
    DELETE FROM checkpoints AS c
    WHERE c.thread_id = ANY(%(thread_ids)s)
    RETURNING 1
),
deleted_blob AS (
    DELETE FROM checkpoint_blobs AS b
    WHERE b.thread_id = ANY(%(thread_ids)s)
    RETURNING 1
),
deleted_write AS (
    DELETE FROM checkpoint_writes AS w
    WHERE w.thread_id = ANY(%(thread_ids)s)
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM deleted) AS checkpoints,
    (SELECT count(*) FROM deleted_blob) AS checkpoint_blobs,
    (SELECT count(*) FROM deleted_write) AS checkpoint_writes
