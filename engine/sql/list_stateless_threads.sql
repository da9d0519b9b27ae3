-- Threads that were made for one run, once the run's answer had time to be read: locked, so that a run that is being
-- accepted on one either is seen when they are asked for again or finds no thread.
SELECT threads.thread_id
FROM holdfast.threads
WHERE threads.tenant = %(tenant)s
    AND (%(thread_ids)s::text[] IS NULL OR threads.thread_id = ANY(%(thread_ids)s::text[]))
    AND threads.thread_id IN (
        SELECT runs.thread_id
        FROM holdfast.runs
        WHERE runs.tenant = %(tenant)s
            AND runs.on_completion = 'delete'
            AND runs.finished_at < clock_timestamp() - make_interval(secs => %(kept_seconds)s)
    )
    AND NOT EXISTS (
        SELECT 1
        FROM holdfast.runs AS others
        WHERE others.thread_id = threads.thread_id
            AND (
                others.status IN ('queued', 'running')
                OR others.on_completion = 'keep'
                OR others.finished_at >= clock_timestamp() - make_interval(secs => %(kept_seconds)s)
            )
    )
    AND NOT EXISTS (
        SELECT 1
        FROM holdfast.gates
        WHERE gates.thread_id = threads.thread_id
            AND gates.state IN ('open', 'claimed', 'scheduled')
    )
ORDER BY threads.thread_id
LIMIT %(limit)s
FOR UPDATE OF threads SKIP LOCKED
