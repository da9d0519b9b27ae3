-- Set aside the writes of checkpoints set aside, and those whose checkpoint may still be saved.
INSERT INTO compact_writes (
    thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
)
SELECT
    w.thread_id,
    w.checkpoint_ns,
    w.checkpoint_id,
    w.task_id,
    w.idx,
    w.channel,
    w.type,
    w.blob,
    w.task_path
FROM checkpoint_writes AS w
LEFT JOIN compact_checkpoints AS k USING (thread_id, checkpoint_ns, checkpoint_id)
LEFT JOIN checkpoints AS c USING (thread_id, checkpoint_ns, checkpoint_id)
WHERE k.thread_id IS NOT NULL
    OR w.thread_id = ANY(%(untouched)s)
    OR (c.thread_id IS NULL AND w.checkpoint_id >= %(grace_floor)s)
