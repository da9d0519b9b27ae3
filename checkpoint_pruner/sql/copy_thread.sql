-- Copy a thread whole in one snapshot; what was left over of an emptied target is overwritten.
WITH copied AS (
    INSERT INTO checkpoints (
        thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
    )
    SELECT
        %(target)s, c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id, c.type, c.checkpoint,
        CASE
            WHEN c.metadata ->> 'thread_id' = %(source)s
                THEN jsonb_set(c.metadata, '{thread_id}', to_jsonb(%(target)s::text))
            ELSE c.metadata
        END
    FROM checkpoints AS c
    WHERE c.thread_id = %(source)s
    ORDER BY c.checkpoint_ns, c.checkpoint_id
    RETURNING 1
),
copied_blob AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(target)s, b.checkpoint_ns, b.channel, b.version, b.type, b.blob
    FROM checkpoint_blobs AS b
    WHERE b.thread_id = %(source)s
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO UPDATE SET
        type = EXCLUDED.type,
        blob = EXCLUDED.blob
    RETURNING 1
),
copied_write AS (
    INSERT INTO checkpoint_writes (
        thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
    )
    SELECT
        %(target)s, w.checkpoint_ns, w.checkpoint_id, w.task_id, w.idx, w.channel, w.type, w.blob, w.task_path
    FROM checkpoint_writes AS w
    WHERE w.thread_id = %(source)s
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO UPDATE SET
        channel = EXCLUDED.channel,
        type = EXCLUDED.type,
        blob = EXCLUDED.blob
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM copied) AS checkpoints,
    (SELECT count(*) FROM copied_blob) AS checkpoint_blobs,
    (SELECT count(*) FROM copied_write) AS checkpoint_writes
