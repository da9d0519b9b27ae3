-- Every thread named in any of the three tables, by loose scans.
WITH RECURSIVE checkpointed AS (
    (SELECT c.thread_id FROM checkpoints AS c ORDER BY c.thread_id LIMIT 1)
    UNION ALL
    SELECT following.thread_id
    FROM checkpointed AS t
    CROSS JOIN LATERAL (
        SELECT c.thread_id
        FROM checkpoints AS c
        WHERE c.thread_id > t.thread_id
        ORDER BY c.thread_id
        LIMIT 1
    ) AS following
),
valued AS (
    (SELECT b.thread_id FROM checkpoint_blobs AS b ORDER BY b.thread_id LIMIT 1)
    UNION ALL
    SELECT following.thread_id
    FROM valued AS t
    CROSS JOIN LATERAL (
        SELECT b.thread_id
        FROM checkpoint_blobs AS b
        WHERE b.thread_id > t.thread_id
        ORDER BY b.thread_id
        LIMIT 1
    ) AS following
),
written AS (
    (SELECT w.thread_id FROM checkpoint_writes AS w ORDER BY w.thread_id LIMIT 1)
    UNION ALL
    SELECT following.thread_id
    FROM written AS t
    CROSS JOIN LATERAL (
        SELECT w.thread_id
        FROM checkpoint_writes AS w
        WHERE w.thread_id > t.thread_id
        ORDER BY w.thread_id
        LIMIT 1
    ) AS following
)
SELECT thread_id FROM checkpointed
UNION
SELECT thread_id FROM valued
UNION
SELECT thread_id FROM written
ORDER BY thread_id
