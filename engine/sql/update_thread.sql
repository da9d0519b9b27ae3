-- Merge metadata; a new time to live starts now.
UPDATE holdfast.threads
SET
    metadata = metadata || %(metadata)s::jsonb,
    graph_id = coalesce(graph_id, %(graph_id)s),
    ttl_minutes = CASE WHEN %(has_ttl)s THEN %(ttl_minutes)s ELSE ttl_minutes END,
    ttl_strategy = CASE WHEN %(has_ttl)s THEN %(ttl_strategy)s ELSE ttl_strategy END,
    expires_at = CASE
        WHEN %(has_ttl)s THEN clock_timestamp() + make_interval(secs => %(ttl_minutes)s::double precision * 60)
        ELSE expires_at
    END,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND metadata @> %(scope)s::jsonb
RETURNING thread_id
