-- How many threads fit.
SELECT count(*) AS total
FROM holdfast.threads
WHERE threads.tenant = %(tenant)s
    AND threads.metadata @> %(metadata)s::jsonb
    AND threads.metadata @> %(scope)s::jsonb
    AND (%(status)s::text IS NULL OR threads.status = %(status)s)
    AND (%(ids)s::text[] IS NULL OR threads.thread_id = ANY(%(ids)s))
    AND (%(values)s::jsonb = '{}' OR threads."values" @> %(values)s::jsonb)
