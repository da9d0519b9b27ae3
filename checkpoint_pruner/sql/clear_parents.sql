-- Clear pointers to parents that have gone; a fork keeps its own, it is the bound of its replay.
UPDATE checkpoints AS c
SET parent_checkpoint_id = NULL
WHERE c.thread_id = ANY(%(thread_ids)s)
    AND c.parent_checkpoint_id IS NOT NULL
    AND c.metadata ->> 'source' IS DISTINCT FROM 'update'
    AND c.metadata ->> 'source' IS DISTINCT FROM 'fork'
    AND NOT EXISTS (
        SELECT
        FROM checkpoints AS p
        WHERE p.thread_id = c.thread_id
            AND p.checkpoint_ns = c.checkpoint_ns
            AND p.checkpoint_id = c.parent_checkpoint_id
    )
