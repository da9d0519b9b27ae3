-- A thread's row under another id; nothing runs on the copy yet.
INSERT INTO holdfast.threads (
    tenant, thread_id, graph_id, assistant_id, status, metadata, config, "values", interrupts, error,
    ttl_minutes, ttl_strategy, expires_at
)
SELECT
    tenant, %(copy_id)s, graph_id, assistant_id,
    CASE status WHEN 'busy' THEN 'idle' ELSE status END,
    metadata, config, "values", interrupts, error, ttl_minutes, ttl_strategy,
    clock_timestamp() + make_interval(secs => ttl_minutes * 60)
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
