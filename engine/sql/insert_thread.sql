-- Make a thread, unless its id is taken; an id that was deleted before may live again.
WITH revived AS (
    DELETE FROM holdfast.thread_tombstones
    WHERE tenant = %(tenant)s
        AND thread_id = %(thread_id)s
)
INSERT INTO holdfast.threads (tenant, thread_id, graph_id, metadata, ttl_minutes, ttl_strategy, expires_at)
VALUES (
    %(tenant)s, %(thread_id)s, %(graph_id)s, %(metadata)s, %(ttl_minutes)s, %(ttl_strategy)s,
    clock_timestamp() + make_interval(secs => %(ttl_minutes)s::double precision * 60)
)
ON CONFLICT (thread_id) DO NOTHING
RETURNING thread_id
