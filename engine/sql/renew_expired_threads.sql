-- A thread that was used since, or was just thinned, lives on for its time.
UPDATE holdfast.threads
SET expires_at = CASE
        WHEN thread_id = ANY(%(thinned)s::text[]) THEN clock_timestamp()
        ELSE greatest(updated_at, state_updated_at)
    END + make_interval(secs => ttl_minutes * 60)
WHERE tenant = %(tenant)s
    AND expires_at <= clock_timestamp()
    AND (
        thread_id = ANY(%(thinned)s::text[])
        OR greatest(updated_at, state_updated_at) + make_interval(secs => ttl_minutes * 60) > clock_timestamp()
    )
