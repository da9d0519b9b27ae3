-- Kept checkpoints that need an ancestor which stays for this alone, with the channels in need.
, wanted AS (
    SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id FROM with_senders
)
SELECT
    c.thread_id,
    c.checkpoint_ns,
    c.checkpoint_id,
    (
        SELECT newest.metadata ->> 'graph_id'
        FROM checkpoints AS newest
        WHERE newest.thread_id = c.thread_id
            AND newest.checkpoint_ns = ''
        ORDER BY newest.checkpoint_id DESC
        LIMIT 1
    ) AS graph_id,
    array_agg(DISTINCT h.channel) AS channels
FROM wanted AS k
JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
JOIN history AS h
    ON h.thread_id = c.thread_id
    AND h.checkpoint_ns = c.checkpoint_ns
    AND h.checkpoint_id = c.parent_checkpoint_id
    AND h.distance = 1
WHERE c.checkpoint -> 'channel_versions' ? h.channel
    AND coalesce(c.checkpoint -> 'channel_values' -> h.channel, 'null') = 'null'
    AND NOT EXISTS (
        SELECT
        FROM wanted AS p
        WHERE p.thread_id = c.thread_id
            AND p.checkpoint_ns = c.checkpoint_ns
            AND p.checkpoint_id = c.parent_checkpoint_id
    )
    AND NOT EXISTS (
        SELECT
        FROM checkpoint_blobs AS b
        WHERE b.thread_id = c.thread_id
            AND b.checkpoint_ns = c.checkpoint_ns
            AND b.channel = h.channel
            AND b.version = c.checkpoint -> 'channel_versions' ->> h.channel
            AND b.type <> 'empty'
    )
GROUP BY c.thread_id, c.checkpoint_ns, c.checkpoint_id
ORDER BY c.thread_id, c.checkpoint_ns, c.checkpoint_id
