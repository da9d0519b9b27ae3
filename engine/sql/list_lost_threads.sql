-- Threads with a due run that nobody holds: their worker died, or their ticket was lost.
SELECT
    runs.thread_id,
    bool_or(runs.status = 'running') AS begun,
    max(runs.priority) AS priority
FROM holdfast.runs
WHERE runs.tenant = %(tenant)s
    AND (
        runs.status = 'running'
        OR (
            runs.status = 'queued'
            AND greatest(runs.not_before, runs.updated_at)
                <= clock_timestamp() - make_interval(secs => %(grace_seconds)s)
            AND (
                runs.kind = 'resume'
                OR NOT EXISTS (
                    SELECT 1
                    FROM holdfast.gates
                    WHERE gates.tenant = runs.tenant
                        AND gates.thread_id = runs.thread_id
                        AND gates.state IN ('open', 'claimed', 'scheduled')
                )
            )
        )
    )
    AND NOT EXISTS (
        SELECT 1
        FROM pg_locks
        WHERE pg_locks.locktype = 'advisory'
            AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND pg_locks.objsubid = 1
            AND pg_locks.granted
            AND (pg_locks.classid::bigint << 32) | pg_locks.objid::bigint
                = hashtextextended(runs.tenant || ':' || runs.thread_id, 0)
    )
GROUP BY runs.thread_id
ORDER BY begun DESC, priority DESC, min(runs.seq)
LIMIT %(limit)s
