-- Put the writes back.
INSERT INTO checkpoint_writes (
    thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
)
SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
FROM compact_writes
ORDER BY thread_id, checkpoint_ns, checkpoint_id, task_id, idx
