-- Clear pointers to parents that have gone; where a replay of a stateful subgraph is bounded by
-- them (by a fork's always, by any with durability "exit") they stay.
UPDATE checkpoints AS c
SET parent_checkpoint_id = NULL
WHERE c.thread_id = ANY(%(thread_ids)s)
    AND c.parent_checkpoint_id IS NOT NULL
    AND c.metadata ->> 'source' IS DISTINCT FROM 'update'
    AND c.metadata ->> 'source' IS DISTINCT FROM 'fork'
    AND NOT (
        c.checkpoint_ns = ''
        AND EXISTS (
            SELECT
            FROM checkpoints AS s
            WHERE s.thread_id = ANY(%(thread_ids)s)
                AND s.thread_id = c.thread_id
                AND s.checkpoint_ns > ''
                AND strpos(s.checkpoint_ns, ':') = 0
        )
    )
    AND NOT EXISTS (
        SELECT
        FROM checkpoints AS p
        WHERE p.thread_id = ANY(%(thread_ids)s)
            AND p.thread_id = c.thread_id
            AND p.checkpoint_ns = c.checkpoint_ns
            AND p.checkpoint_id = c.parent_checkpoint_id
    )
