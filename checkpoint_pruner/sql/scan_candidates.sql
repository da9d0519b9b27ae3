-- Threads that may hold garbage, by one pass over the index: cheaper than probes while it is small.
WITH namespace AS MATERIALIZED (
    SELECT
        c.thread_id,
        c.checkpoint_ns,
        count(*) AS count,
        min(c.checkpoint_id) AS oldest,
        max(c.checkpoint_id) AS newest
    FROM checkpoints AS c
    GROUP BY c.thread_id, c.checkpoint_ns
),
thread AS MATERIALIZED (
    SELECT
        n.thread_id,
        coalesce(max(n.count) FILTER (WHERE n.checkpoint_ns = ''), 0) AS count,
        min(n.oldest) FILTER (WHERE n.checkpoint_ns = '') AS oldest,
        max(n.newest) FILTER (WHERE n.checkpoint_ns = '') AS newest,
        bool_or(n.checkpoint_ns > '' AND n.count > %(fewest_nested)s) AS nested_beyond
    FROM namespace AS n
    GROUP BY n.thread_id
),
called_from_nowhere AS MATERIALIZED (
    SELECT DISTINCT n.thread_id
    FROM namespace AS n
    JOIN thread AS t USING (thread_id)
    WHERE strpos(n.checkpoint_ns, ':') > 0
        AND t.count <= %(fewest)s
        AND (
            SELECT true
            FROM checkpoints AS caller
            WHERE caller.thread_id = n.thread_id
                AND caller.checkpoint_ns = ''
                AND caller.checkpoint_id = (
                    SELECT c.metadata -> 'parents' ->> ''
                    FROM checkpoints AS c
                    WHERE c.thread_id = n.thread_id
                        AND c.checkpoint_ns = n.checkpoint_ns
                        AND c.checkpoint_id = n.newest
                )
            LIMIT 1
        ) IS NULL
)
SELECT t.thread_id
FROM thread AS t
WHERE (%(since)s::text IS NULL OR t.newest >= %(since)s)
    AND (%(age_floor)s::text IS NULL OR t.oldest < %(age_floor)s OR t.oldest IS NULL)
    AND (
        t.count > %(fewest)s
        OR t.nested_beyond
        OR t.thread_id IN (SELECT thread_id FROM called_from_nowhere)
    )
ORDER BY t.thread_id
