-- Of the threads and pins that somebody named, those for which nothing is stored: misspelt, perhaps.
SELECT 'thread ' || named.thread_id AS missing
FROM unnest(%(thread_ids)s::text[]) AS named (thread_id)
WHERE NOT EXISTS (
    SELECT
    FROM checkpoints AS c
    WHERE c.thread_id = named.thread_id
)
UNION ALL
SELECT 'pin ' || p.thread_id || ':' || p.checkpoint_ns || ':' || p.checkpoint_id
FROM unnest(
    %(pin_threads)s::text[], %(pin_namespaces)s::text[], %(pin_ids)s::text[]
) AS p (thread_id, checkpoint_ns, checkpoint_id)
WHERE NOT EXISTS (
    SELECT
    FROM checkpoints AS c
    WHERE c.thread_id = p.thread_id
        AND c.checkpoint_ns = p.checkpoint_ns
        AND c.checkpoint_id = p.checkpoint_id
)
ORDER BY missing
