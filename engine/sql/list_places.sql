-- The threads of a graph that are at work, wait or failed, with their last checkpoint, last touched first.
SELECT
    thread_id,
    status,
    (
        SELECT max(checkpoints.checkpoint_id)
        FROM checkpoints
        WHERE checkpoints.thread_id = threads.thread_id
            AND checkpoints.checkpoint_ns = ''
    ) AS checkpoint_id
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND graph_id = %(graph_id)s
    AND (%(scope)s::jsonb IS NULL OR metadata @> %(scope)s::jsonb)
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
    AND (%(thread_id)s::text IS NOT NULL OR status IN ('busy', 'interrupted', 'error'))
ORDER BY (status = 'busy') DESC, updated_at DESC
LIMIT %(limit)s
