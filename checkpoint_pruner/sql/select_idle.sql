-- Threads whose newest root checkpoint lies before an id, by a loose scan.
WITH RECURSIVE thread AS (
    (
        SELECT c.thread_id
        FROM checkpoints AS c
        ORDER BY c.thread_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.thread_id
    FROM thread AS t
    CROSS JOIN LATERAL (
        SELECT c.thread_id
        FROM checkpoints AS c
        WHERE c.thread_id > t.thread_id
        ORDER BY c.thread_id
        LIMIT 1
    ) AS following
)
SELECT t.thread_id
FROM thread AS t
CROSS JOIN LATERAL (
    SELECT c.checkpoint_id
    FROM checkpoints AS c
    WHERE c.thread_id = t.thread_id
        AND c.checkpoint_ns = ''
    ORDER BY c.checkpoint_id DESC
    LIMIT 1
) AS newest
WHERE newest.checkpoint_id < %(newest_before)s
ORDER BY t.thread_id
