-- The end of a run, told in one place: its row, its thread, the pruner, and whoever waits.
WITH ended AS (
    UPDATE holdfast.runs
    SET
        status = %(status)s,
        error = %(error)s,
        output = %(output)s,
        finished_at = clock_timestamp(),
        updated_at = clock_timestamp()
    WHERE tenant = %(tenant)s
        AND run_id = %(run_id)s
        AND status = 'running'
        AND worker_id = %(worker_id)s
    RETURNING run_id, thread_id, finished_at
), told AS (
    UPDATE holdfast.threads
    SET
        status = CASE
            WHEN EXISTS (
                SELECT 1
                FROM holdfast.runs
                WHERE runs.thread_id = %(thread_id)s
                    AND runs.run_id <> %(run_id)s
                    AND runs.status = 'queued'
                    AND (runs.kind = 'resume' OR %(thread_status)s <> 'interrupted')
            ) THEN 'busy'
            ELSE %(thread_status)s
        END,
        "values" = CASE WHEN %(state_known)s THEN %(values)s ELSE "values" END,
        interrupts = CASE WHEN %(state_known)s THEN %(interrupts)s ELSE interrupts END,
        error = %(error)s,
        updated_at = clock_timestamp(),
        state_updated_at = clock_timestamp()
    FROM ended
    WHERE threads.thread_id = ended.thread_id
), touched AS (
    INSERT INTO holdfast.dirty_threads (tenant, thread_id)
    SELECT %(tenant)s, thread_id
    FROM ended
    ON CONFLICT (thread_id) DO UPDATE SET touched_at = clock_timestamp()
)
SELECT run_id, finished_at
FROM ended
