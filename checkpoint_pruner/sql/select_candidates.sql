-- Threads that may hold garbage, by loose scans: a few index probes per thread and per namespace of
-- those whose root graph is within the window, whatever their lengths.
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
        -- Where all of the root graph stays, a subgraph holds garbage if it is beyond its own window or
        -- was called from nowhere.
        OR EXISTS (
            WITH RECURSIVE namespace AS (
                (
                    SELECT c.checkpoint_ns
                    FROM checkpoints AS c
                    WHERE c.thread_id = t.thread_id
                        AND c.checkpoint_ns > ''
                    ORDER BY c.checkpoint_ns
                    LIMIT 1
                )
                UNION ALL
                SELECT following.checkpoint_ns
                FROM namespace AS n
                CROSS JOIN LATERAL (
                    SELECT c.checkpoint_ns
                    FROM checkpoints AS c
                    WHERE c.thread_id = t.thread_id
                        AND c.checkpoint_ns > n.checkpoint_ns
                    ORDER BY c.checkpoint_ns
                    LIMIT 1
                ) AS following
            )
            SELECT
            FROM namespace AS n
            WHERE EXISTS (
                    SELECT
                    FROM checkpoints AS c
                    WHERE c.thread_id = t.thread_id
                        AND c.checkpoint_ns = n.checkpoint_ns
                    OFFSET %(fewest_nested)s
                    LIMIT 1
                )
                OR (
                    strpos(n.checkpoint_ns, ':') > 0
                    AND (
                        SELECT true
                        FROM checkpoints AS caller
                        WHERE caller.thread_id = t.thread_id
                            AND caller.checkpoint_ns = ''
                            AND caller.checkpoint_id = (
                                SELECT c.metadata -> 'parents' ->> ''
                                FROM checkpoints AS c
                                WHERE c.thread_id = t.thread_id
                                    AND c.checkpoint_ns = n.checkpoint_ns
                                ORDER BY c.checkpoint_id DESC
                                LIMIT 1
                            )
                        LIMIT 1
                    ) IS NULL
                )
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
