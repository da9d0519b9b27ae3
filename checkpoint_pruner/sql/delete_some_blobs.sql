-- Delete at most so many values of one huge thread that no checkpoint names.
WITH referenced AS MATERIALIZED (
    SELECT DISTINCT c.checkpoint_ns, v.key AS channel, v.value AS version
    FROM checkpoints AS c
    CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
    WHERE c.thread_id = %(thread_id)s
),
deleted AS (
    DELETE FROM checkpoint_blobs AS b
    WHERE b.ctid = ANY(ARRAY(
        SELECT g.ctid
        FROM checkpoint_blobs AS g
        WHERE g.thread_id = %(thread_id)s
            AND NOT EXISTS (
                SELECT
                FROM referenced AS r
                WHERE r.checkpoint_ns = g.checkpoint_ns
                    AND r.channel = g.channel
                    AND r.version = g.version
            )
        LIMIT %(limit)s
    ))
    RETURNING coalesce(pg_column_size(b.blob), 0) AS bytes
)
SELECT count(*) AS count, coalesce(sum(d.bytes), 0)::bigint AS bytes
FROM deleted AS d
