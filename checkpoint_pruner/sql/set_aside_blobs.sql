-- Set aside the values that a checkpoint set aside names, and all values of untouched threads.
INSERT INTO compact_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
SELECT b.thread_id, b.checkpoint_ns, b.channel, b.version, b.type, b.blob
FROM checkpoint_blobs AS b
WHERE b.thread_id = ANY(%(untouched)s)
    OR EXISTS (
        SELECT
        FROM (
            SELECT c.thread_id, c.checkpoint_ns, v.key AS channel, v.value AS version
            FROM compact_checkpoints AS c
            CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
        ) AS r
        WHERE r.thread_id = b.thread_id
            AND r.checkpoint_ns = b.checkpoint_ns
            AND r.channel = b.channel
            AND r.version = b.version
    )
