-- The graph that each thread's newest checkpoint names.
SELECT t.thread_id, newest.graph_id
FROM unnest(%(thread_ids)s::text[]) AS t (thread_id)
CROSS JOIN LATERAL (
    SELECT c.metadata ->> 'graph_id' AS graph_id
    FROM checkpoints AS c
    WHERE c.thread_id = t.thread_id
        AND c.checkpoint_ns = ''
    ORDER BY c.checkpoint_id DESC
    LIMIT 1
) AS newest
