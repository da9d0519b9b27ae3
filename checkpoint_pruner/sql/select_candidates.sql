-- Threads that may hold garbage, by a loose scan: two index probes per thread, whatever its length.
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
WHERE (
        %(since)s::text IS NULL
        OR (
            SELECT c.checkpoint_id
            FROM checkpoints AS c
            WHERE c.thread_id = t.thread_id
                AND c.checkpoint_ns = ''
            ORDER BY c.checkpoint_id DESC
            LIMIT 1
        ) >= %(since)s
    )
    AND (
        EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = t.thread_id
                AND c.checkpoint_ns = ''
            OFFSET %(fewest)s
            LIMIT 1
        )
        OR EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = t.thread_id
                AND c.checkpoint_ns > ''
        )
    )
    AND (
        %(age_floor)s::text IS NULL
        OR EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = t.thread_id
                AND c.checkpoint_ns = ''
                AND c.checkpoint_id < %(age_floor)s
        )
        OR NOT EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = t.thread_id
                AND c.checkpoint_ns = ''
        )
    )
ORDER BY t.thread_id
