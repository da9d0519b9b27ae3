-- Set all checkpoints of threads aside that the rewrite leaves as they are.
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
