-- One thread that the caller may see, with the config and context of its newest run.
SELECT
    threads.thread_id, threads.graph_id, threads.assistant_id, threads.status, threads.metadata,
    CASE WHEN %(with_values)s THEN threads."values" END AS "values",
    threads.interrupts, threads.error, threads.ttl_minutes, threads.ttl_strategy, threads.expires_at,
    threads.created_at, threads.updated_at, threads.state_updated_at,
    coalesce(latest.kwargs -> 'config', threads.config) AS config,
    coalesce(latest.kwargs -> 'context', '{}') AS context
FROM holdfast.threads
LEFT JOIN LATERAL (
    SELECT runs.kwargs
    FROM holdfast.runs
    WHERE runs.thread_id = threads.thread_id
    ORDER BY runs.seq DESC
    LIMIT 1
) AS latest ON true
WHERE threads.tenant = %(tenant)s
    AND threads.thread_id = %(thread_id)s
    AND threads.metadata @> %(scope)s::jsonb
