-- Save what tasks wrote; the first time counts.
INSERT INTO checkpoint_writes (
    thread_id,
    checkpoint_ns,
    checkpoint_id,
    task_id,
    task_path,
    idx,
    channel,
    type,
    blob
)
VALUES {rows}
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO NOTHING
