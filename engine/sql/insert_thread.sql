-- Make a thread, unless its id is taken.
INSERT INTO holdfast.threads (tenant, thread_id, graph_id, metadata, ttl_minutes, ttl_strategy, expires_at)
VALUES (
    %(tenant)s, %(thread_id)s, %(graph_id)s, %(metadata)s, %(ttl_minutes)s, %(ttl_strategy)s,
    clock_timestamp() + make_interval(secs => %(ttl_minutes)s::double precision * 60)
)
ON CONFLICT (thread_id) DO NOTHING
RETURNING thread_id
