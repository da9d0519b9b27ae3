-- The threads of a graph that are at work, wait or failed, last touched first.
SELECT thread_id, status
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND graph_id = %(graph_id)s
    AND (%(scope)s::jsonb IS NULL OR metadata @> %(scope)s::jsonb)
    AND status IN ('busy', 'interrupted', 'error')
ORDER BY (status = 'busy') DESC, updated_at DESC
LIMIT %(limit)s
