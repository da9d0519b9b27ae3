-- Count what the deletion of the same plan would remove, values included, and remove nothing.
, doomed AS MATERIALIZED (
    SELECT
        c.thread_id,
        c.checkpoint_ns,
        c.checkpoint_id,
        pg_column_size(c.checkpoint) + pg_column_size(c.metadata) AS bytes
    FROM checkpoints AS c
    WHERE c.thread_id = ANY(%(thread_ids)s)
        AND c.checkpoint_id >= %(eligible_from)s
        AND NOT EXISTS (
            SELECT
            FROM kept AS k
            WHERE k.thread_id = c.thread_id
                AND k.checkpoint_ns = c.checkpoint_ns
                AND k.checkpoint_id = c.checkpoint_id
        )
),
referenced AS MATERIALIZED (
    SELECT DISTINCT c.thread_id, c.checkpoint_ns, v.key AS channel, v.value AS version
    FROM checkpoints AS c
    CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
    WHERE c.thread_id = ANY(%(thread_ids)s)
        AND NOT EXISTS (
            SELECT
            FROM doomed AS d
            WHERE d.thread_id = c.thread_id
                AND d.checkpoint_ns = c.checkpoint_ns
                AND d.checkpoint_id = c.checkpoint_id
        )
)
SELECT 'checkpoints' AS kind, d.thread_id AS name, count(*) AS count, sum(d.bytes)::bigint AS bytes
FROM doomed AS d
GROUP BY d.thread_id
UNION ALL
SELECT 'checkpoint_writes', w.thread_id, count(*), sum(pg_column_size(w.blob))::bigint
FROM checkpoint_writes AS w
JOIN doomed AS d USING (thread_id, checkpoint_ns, checkpoint_id)
WHERE w.thread_id = ANY(%(thread_ids)s)
GROUP BY w.thread_id
UNION ALL
SELECT 'checkpoint_writes', w.thread_id, count(*), sum(pg_column_size(w.blob))::bigint
FROM checkpoint_writes AS w
JOIN scope AS s USING (thread_id)
WHERE %(collect_all)s
    AND w.thread_id = ANY(%(thread_ids)s)
    AND w.checkpoint_id < s.grace_floor
    AND NOT EXISTS (
        SELECT
        FROM checkpoints AS c
        WHERE c.thread_id = ANY(%(thread_ids)s)
            AND c.thread_id = w.thread_id
            AND c.checkpoint_ns = w.checkpoint_ns
            AND c.checkpoint_id = w.checkpoint_id
    )
GROUP BY w.thread_id
UNION ALL
SELECT 'checkpoint_blobs', b.thread_id, count(*), sum(coalesce(pg_column_size(b.blob), 0))::bigint
FROM checkpoint_blobs AS b
WHERE b.thread_id = ANY(%(thread_ids)s)
    AND (%(every_value)s OR b.thread_id IN (SELECT d.thread_id FROM doomed AS d))
    AND b.thread_id NOT IN (SELECT w.thread_id FROM waiting AS w)
    AND NOT EXISTS (
        SELECT
        FROM referenced AS r
        WHERE r.thread_id = b.thread_id
            AND r.checkpoint_ns = b.checkpoint_ns
            AND r.channel = b.channel
            AND r.version = b.version
    )
GROUP BY b.thread_id
UNION ALL
SELECT 'waiting', w.thread_id, 0, 0
FROM waiting AS w
UNION ALL
SELECT 'kept', k.reason, count(*), 0
FROM (SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id, reason FROM kept) AS k
GROUP BY k.reason
