-- Threads whose time to live is over, and nobody waits for: the oldest first.
SELECT thread_id, ttl_strategy
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
    AND expires_at <= clock_timestamp()
    AND greatest(updated_at, state_updated_at) + make_interval(secs => ttl_minutes * 60) <= clock_timestamp()
    AND NOT EXISTS (
        SELECT 1
        FROM holdfast.runs
        WHERE runs.thread_id = threads.thread_id
            AND runs.status IN ('queued', 'running')
    )
    AND NOT EXISTS (
        SELECT 1
        FROM holdfast.gates
        WHERE gates.thread_id = threads.thread_id
            AND gates.state IN ('open', 'claimed', 'scheduled')
    )
ORDER BY expires_at
LIMIT %(limit)s
