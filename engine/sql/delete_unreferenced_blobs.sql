-- The values of a thread that no checkpoint refers to any more.
WITH referenced AS (
    SELECT DISTINCT c.checkpoint_ns, v.key AS channel, v.value AS version
    FROM checkpoints AS c
    CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
    WHERE c.thread_id = %(thread_id)s
)
DELETE FROM checkpoint_blobs AS b
WHERE b.thread_id = %(thread_id)s
    AND NOT EXISTS (
        SELECT 1
        FROM referenced AS r
        WHERE r.checkpoint_ns = b.checkpoint_ns
            AND r.channel = b.channel
            AND r.version = b.version
    )
