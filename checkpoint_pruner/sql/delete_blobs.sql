-- Delete the values of some threads that no checkpoint names, as a snapshot of its own sees them.
-- By row address, and so in the order in which they lie on disk: each page is visited once.
WITH referenced AS MATERIALIZED (
    SELECT c.thread_id, c.checkpoint_ns, v.key AS channel, v.value AS version
    FROM checkpoints AS c
    CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
    WHERE c.thread_id = ANY(%(thread_ids)s)
        -- Always true. It takes the planner's guess of a hundred channels per checkpoint down to a few,
        -- and with that a hash table of millions.
        AND v.key || '' = v.key
),
deleted AS (
    DELETE FROM checkpoint_blobs AS b
    WHERE b.ctid = ANY(ARRAY(
        SELECT g.ctid
        FROM checkpoint_blobs AS g
        WHERE g.thread_id = ANY(%(thread_ids)s)
            AND NOT EXISTS (
                SELECT
                FROM referenced AS r
                WHERE r.thread_id = g.thread_id
                    AND r.checkpoint_ns = g.checkpoint_ns
                    AND r.channel = g.channel
                    AND r.version = g.version
            )
    ))
    RETURNING b.thread_id, coalesce(pg_column_size(b.blob), 0) AS bytes
)
SELECT d.thread_id, count(*) AS count, sum(d.bytes)::bigint AS bytes
FROM deleted AS d
GROUP BY d.thread_id
