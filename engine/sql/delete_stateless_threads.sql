-- Threads that were made for one run, with everything on them, once the run's answer had time to be read.
WITH over AS (
    SELECT DISTINCT runs.thread_id
    FROM holdfast.runs
    WHERE runs.tenant = %(tenant)s
        AND runs.on_completion = 'delete'
        AND runs.finished_at < clock_timestamp() - make_interval(secs => %(kept_seconds)s)
        AND NOT EXISTS (
            SELECT 1
            FROM holdfast.runs AS others
            WHERE others.thread_id = runs.thread_id
                AND (
                    others.status IN ('queued', 'running')
                    OR others.on_completion = 'keep'
                    OR others.finished_at >= clock_timestamp() - make_interval(secs => %(kept_seconds)s)
                )
        )
        AND NOT EXISTS (
            SELECT 1
            FROM holdfast.gates
            WHERE gates.thread_id = runs.thread_id
                AND gates.state IN ('open', 'claimed', 'scheduled')
        )
    ORDER BY runs.thread_id
    LIMIT %(limit)s
), checkpoints_gone AS (
    DELETE FROM checkpoints
    USING over
    WHERE checkpoints.thread_id = over.thread_id
), blobs_gone AS (
    DELETE FROM checkpoint_blobs
    USING over
    WHERE checkpoint_blobs.thread_id = over.thread_id
), writes_gone AS (
    DELETE FROM checkpoint_writes
    USING over
    WHERE checkpoint_writes.thread_id = over.thread_id
), events_gone AS (
    DELETE FROM holdfast.run_events
    USING over
    WHERE run_events.thread_id = over.thread_id
), unmarked AS (
    DELETE FROM holdfast.dirty_threads
    USING over
    WHERE dirty_threads.thread_id = over.thread_id
)
DELETE FROM holdfast.threads
USING over
WHERE threads.thread_id = over.thread_id
