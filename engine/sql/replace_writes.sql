-- Save what tasks said of themselves, errors, questions and answers; the last time counts.
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
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO UPDATE SET
    channel = EXCLUDED.channel,
    type = EXCLUDED.type,
    blob = EXCLUDED.blob
