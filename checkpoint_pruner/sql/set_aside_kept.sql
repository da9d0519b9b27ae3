-- Set the checkpoints of some threads aside that the plan keeps.
INSERT INTO compact_checkpoints (
    thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
)
SELECT
    c.thread_id,
    c.checkpoint_ns,
    c.checkpoint_id,
    c.parent_checkpoint_id,
    c.type,
    c.checkpoint,
    c.metadata
FROM checkpoints AS c
WHERE c.thread_id = ANY(%(thread_ids)s)
    AND EXISTS (
        SELECT
        FROM kept AS k
        WHERE k.thread_id = c.thread_id
            AND k.checkpoint_ns = c.checkpoint_ns
            AND k.checkpoint_id = c.checkpoint_id
    )
