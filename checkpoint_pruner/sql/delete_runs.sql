-- Delete the checkpoints that some runs saved and their writes, less the history others are built on.
WITH RECURSIVE doomed AS MATERIALIZED (
    SELECT c.thread_id, c.checkpoint_ns, c.checkpoint_id
    FROM checkpoints AS c
    WHERE c.metadata ->> 'run_id' = ANY(%(run_ids)s)
        AND (%(thread_ids)s::text[] IS NULL OR c.thread_id = ANY(%(thread_ids)s))
),
affected AS MATERIALIZED (
    SELECT DISTINCT thread_id FROM doomed
),
delta_channel AS MATERIALIZED (
    SELECT DISTINCT c.thread_id, c.checkpoint_ns, counter.channel
    FROM checkpoints AS c
    JOIN affected AS a USING (thread_id)
    CROSS JOIN LATERAL jsonb_object_keys(
        c.metadata -> 'counters_since_delta_snapshot'
    ) AS counter (channel)
),
history AS (
    SELECT c.thread_id, c.checkpoint_ns, c.checkpoint_id, d.channel, 0 AS distance
    FROM checkpoints AS c
    JOIN delta_channel AS d USING (thread_id, checkpoint_ns)
    WHERE NOT EXISTS (
        SELECT
        FROM doomed AS x
        WHERE x.thread_id = c.thread_id
            AND x.checkpoint_ns = c.checkpoint_ns
            AND x.checkpoint_id = c.checkpoint_id
    )
    UNION
    SELECT c.thread_id, c.checkpoint_ns, c.parent_checkpoint_id, h.channel, 1
    FROM history AS h
    JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
    WHERE c.parent_checkpoint_id IS NOT NULL
        AND (h.distance = 1 OR c.checkpoint -> 'channel_versions' ? h.channel)
        AND coalesce(c.checkpoint -> 'channel_values' -> h.channel, 'null') = 'null'
        AND NOT EXISTS (
            SELECT
            FROM checkpoint_blobs AS b
            WHERE b.thread_id = c.thread_id
                AND b.checkpoint_ns = c.checkpoint_ns
                AND b.channel = h.channel
                AND b.version = c.checkpoint -> 'channel_versions' ->> h.channel
                AND b.type <> 'empty'
        )
),
deleted AS (
    DELETE FROM checkpoints AS c
    USING doomed AS d
    WHERE c.thread_id = d.thread_id
        AND c.checkpoint_ns = d.checkpoint_ns
        AND c.checkpoint_id = d.checkpoint_id
        AND NOT EXISTS (
            SELECT
            FROM history AS h
            WHERE h.thread_id = c.thread_id
                AND h.checkpoint_ns = c.checkpoint_ns
                AND h.checkpoint_id = c.checkpoint_id
                AND h.distance = 1
        )
    RETURNING c.thread_id, c.checkpoint_ns, c.checkpoint_id
),
deleted_write AS (
    DELETE FROM checkpoint_writes AS w
    USING deleted AS d
    WHERE w.thread_id = d.thread_id
        AND w.checkpoint_ns = d.checkpoint_ns
        AND w.checkpoint_id = d.checkpoint_id
    RETURNING w.thread_id
)
SELECT
    d.thread_id,
    count(*) AS checkpoints,
    (SELECT count(*) FROM deleted_write AS w WHERE w.thread_id = d.thread_id) AS checkpoint_writes
FROM deleted AS d
GROUP BY d.thread_id
