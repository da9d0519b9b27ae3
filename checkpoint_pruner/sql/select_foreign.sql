-- Threads written by LangGraph.js: by its marker, or by numbered versions without inline values.
SELECT DISTINCT c.thread_id
FROM checkpoints AS c
WHERE c.thread_id = ANY(%(thread_ids)s)
    AND c.metadata ? 'delta_writes_versioned'
UNION
SELECT t.thread_id
FROM unnest(%(thread_ids)s::text[]) AS t (thread_id)
CROSS JOIN LATERAL (
    SELECT c.checkpoint
    FROM checkpoints AS c
    WHERE c.thread_id = t.thread_id
    ORDER BY c.checkpoint_ns DESC, c.checkpoint_id DESC
    LIMIT 1
) AS newest
WHERE NOT newest.checkpoint ? 'channel_values'
    AND jsonb_path_exists(newest.checkpoint, '$.channel_versions.* ? (@.type() == "number")')
