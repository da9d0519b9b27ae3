-- Put the checkpoints back, oldest first.
INSERT INTO checkpoints (
    thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
)
SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
FROM compact_checkpoints
ORDER BY thread_id, checkpoint_ns, checkpoint_id
