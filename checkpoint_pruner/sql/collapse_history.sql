-- Move the DeltaChannel writes of a history onto the row that it begins with, in the same order.
-- Only a single unbranched line that all channels share, below exactly one edge of the window,
-- whose parent pointer bounds no replay.
, line AS MATERIALIZED (
    SELECT h.thread_id, h.checkpoint_ns, h.checkpoint_id, found.parent_id, h.channels
    FROM (
        SELECT thread_id, checkpoint_ns, checkpoint_id, count(DISTINCT channel) AS channels
        FROM history
        WHERE distance = 1
        GROUP BY thread_id, checkpoint_ns, checkpoint_id
    ) AS h
    CROSS JOIN LATERAL (
        SELECT c.parent_checkpoint_id AS parent_id
        FROM checkpoints AS c
        WHERE c.thread_id = h.thread_id
            AND c.checkpoint_ns = h.checkpoint_ns
            AND c.checkpoint_id = h.checkpoint_id
        LIMIT 1
    ) AS found
    WHERE NOT EXISTS (
        SELECT
        FROM with_senders AS k
        WHERE k.thread_id = h.thread_id
            AND k.checkpoint_ns = h.checkpoint_ns
            AND k.checkpoint_id = h.checkpoint_id
    )
),
edge AS MATERIALIZED (
    SELECT
        k.thread_id,
        k.checkpoint_ns,
        min(k.checkpoint_id) AS checkpoint_id,
        min(found.parent_id) AS parent_id
    FROM (SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id FROM with_senders) AS k
    CROSS JOIN LATERAL (
        SELECT
            c.parent_checkpoint_id AS parent_id,
            c.metadata ->> 'source' IN ('update', 'fork') AS forked
        FROM checkpoints AS c
        WHERE c.thread_id = k.thread_id
            AND c.checkpoint_ns = k.checkpoint_ns
            AND c.checkpoint_id = k.checkpoint_id
        LIMIT 1
    ) AS found
    JOIN line AS l
        ON l.thread_id = k.thread_id
        AND l.checkpoint_ns = k.checkpoint_ns
        AND l.checkpoint_id = found.parent_id
    GROUP BY k.thread_id, k.checkpoint_ns
    HAVING count(*) = 1
        AND NOT bool_or(found.forked)
),
foldable AS MATERIALIZED (
    SELECT
        e.thread_id,
        e.checkpoint_ns,
        e.checkpoint_id,
        min(l.checkpoint_id) AS seed_id
    FROM edge AS e
    JOIN line AS l USING (thread_id, checkpoint_ns)
    LEFT JOIN line AS p
        ON p.thread_id = l.thread_id
        AND p.checkpoint_ns = l.checkpoint_ns
        AND p.checkpoint_id = l.parent_id
    WHERE e.checkpoint_ns > ''
        OR NOT EXISTS (
            SELECT
            FROM subgraph AS s
            WHERE NOT s.is_call
                AND s.thread_id = e.thread_id
        )
    GROUP BY e.thread_id, e.checkpoint_ns, e.checkpoint_id, e.parent_id
    HAVING count(*) > 1
        AND min(l.channels) = max(l.channels)
        AND max(l.checkpoint_id) = e.parent_id
        AND count(p.checkpoint_id) = count(*) - 1
        AND count(DISTINCT p.checkpoint_id) = count(*) - 1
),
moved AS (
    UPDATE checkpoint_writes AS w
    SET
        checkpoint_id = f.seed_id,
        -- Sorts after every path that LangGraph writes, and among each other by age.
        task_path = '~~~' || w.checkpoint_id || w.task_path
    FROM foldable AS f
    JOIN line AS l USING (thread_id, checkpoint_ns)
    JOIN delta_channel AS d USING (thread_id, checkpoint_ns)
    WHERE w.thread_id = ANY(%(thread_ids)s)
        AND w.thread_id = l.thread_id
        AND w.checkpoint_ns = l.checkpoint_ns
        AND w.checkpoint_id = l.checkpoint_id
        AND w.channel = d.channel
        AND w.checkpoint_id <> f.seed_id
)
UPDATE checkpoints AS c
SET parent_checkpoint_id = f.seed_id
FROM foldable AS f
WHERE c.thread_id = ANY(%(thread_ids)s)
    AND c.thread_id = f.thread_id
    AND c.checkpoint_ns = f.checkpoint_ns
    AND c.checkpoint_id = f.checkpoint_id
