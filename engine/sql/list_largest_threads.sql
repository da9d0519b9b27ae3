-- The threads whose stored values take the most space.
SELECT
    sizes.thread_id, threads.graph_id, threads.status, threads.updated_at,
    sum(sizes.checkpoints)::bigint AS checkpoints,
    sum(sizes.bytes)::bigint AS bytes
FROM (
    SELECT thread_id, count(*) AS checkpoints, sum(pg_column_size(checkpoint) + pg_column_size(metadata)) AS bytes
    FROM checkpoints
    GROUP BY thread_id
    UNION ALL
    SELECT thread_id, 0, sum(pg_column_size(blob))
    FROM checkpoint_blobs
    GROUP BY thread_id
    UNION ALL
    SELECT thread_id, 0, sum(pg_column_size(blob))
    FROM checkpoint_writes
    GROUP BY thread_id
) AS sizes
LEFT JOIN holdfast.threads ON threads.thread_id = sizes.thread_id
    AND threads.tenant = %(tenant)s
GROUP BY sizes.thread_id, threads.graph_id, threads.status, threads.updated_at
ORDER BY bytes DESC NULLS LAST, sizes.thread_id
LIMIT %(limit)s
