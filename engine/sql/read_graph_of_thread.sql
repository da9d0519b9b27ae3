-- The graph that a thread runs.
SELECT graph_id
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
