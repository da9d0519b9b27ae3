-- A thread whose queue became shorter without a run: is there still something to do?
UPDATE holdfast.threads
SET
    status = CASE
        WHEN EXISTS (
            SELECT 1
            FROM holdfast.runs
            WHERE runs.thread_id = threads.thread_id
                AND runs.status IN ('queued', 'running')
        ) THEN status
        WHEN EXISTS (
            SELECT 1
            FROM holdfast.gates
            WHERE gates.thread_id = threads.thread_id
                AND gates.state IN ('open', 'claimed', 'scheduled')
        ) THEN 'interrupted'
        WHEN status = 'busy' THEN 'idle'
        ELSE status
    END,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
