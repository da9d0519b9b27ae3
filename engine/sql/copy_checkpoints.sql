-- Everything saved for a thread, once more under another id, out of one snapshot.
WITH saved AS (
    INSERT INTO checkpoints
        (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata)
    SELECT
        %(copy_id)s, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint,
        CASE
            WHEN metadata ? 'thread_id' THEN jsonb_set(metadata, '{thread_id}', to_jsonb(%(copy_id)s::text))
            ELSE metadata
        END
    FROM checkpoints
    WHERE thread_id = %(thread_id)s
), blobs AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(copy_id)s, checkpoint_ns, channel, version, type, blob
    FROM checkpoint_blobs
    WHERE thread_id = %(thread_id)s
)
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
SELECT %(copy_id)s, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob
FROM checkpoint_writes
WHERE thread_id = %(thread_id)s
