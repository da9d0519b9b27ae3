-- Threads, checkpoints, and checkpoints saved between each two neighbouring ids, newest first.
SELECT
    count(DISTINCT c.thread_id) AS threads,
    count(*) AS checkpoints,
    ARRAY(
        SELECT (
            SELECT count(*)
            FROM checkpoints AS d
            WHERE d.checkpoint_id >= (%(floors)s::text[])[day + 1]
                AND (day = 1 OR d.checkpoint_id < (%(floors)s::text[])[day])
        )
        FROM generate_series(1, array_length(%(floors)s::text[], 1) - 1) AS day
        ORDER BY day
    ) AS per_day
FROM checkpoints AS c
