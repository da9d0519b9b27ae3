-- List every checkpoint of some threads with the reasons why it stays; no reason means it goes.
SELECT
    c.thread_id,
    c.checkpoint_ns,
    c.checkpoint_id,
    c.parent_checkpoint_id,
    c.metadata ->> 'source' AS source,
    (c.metadata ->> 'step')::integer AS step,
    pg_column_size(c.checkpoint) + pg_column_size(c.metadata) AS bytes,
    coalesce(k.reasons, '{}') AS reasons
FROM checkpoints AS c
LEFT JOIN (
    SELECT thread_id, checkpoint_ns, checkpoint_id, array_agg(DISTINCT reason) AS reasons
    FROM kept
    GROUP BY thread_id, checkpoint_ns, checkpoint_id
) AS k USING (thread_id, checkpoint_ns, checkpoint_id)
WHERE c.thread_id = ANY(%(thread_ids)s)
ORDER BY c.thread_id, c.checkpoint_id DESC, c.checkpoint_ns
