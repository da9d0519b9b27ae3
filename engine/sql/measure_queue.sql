-- How many runs could start now but have not, and since when the oldest of them waits.
SELECT
    count(*) AS depth,
    coalesce(extract(epoch FROM clock_timestamp() - min(not_before)), 0)::float8 AS age_seconds
FROM (
    SELECT runs.not_before
    FROM holdfast.runs
    WHERE runs.tenant = %(tenant)s
        AND runs.status = 'queued'
        AND runs.not_before <= clock_timestamp()
        AND NOT EXISTS (
            SELECT 1
            FROM holdfast.gates
            WHERE gates.tenant = runs.tenant
                AND gates.thread_id = runs.thread_id
                AND gates.state IN ('open', 'claimed', 'scheduled')
        )
        AND NOT EXISTS (
            SELECT 1
            FROM holdfast.runs AS ahead
            WHERE ahead.thread_id = runs.thread_id
                AND ahead.status = 'running'
        )
    ORDER BY runs.not_before
    LIMIT %(limit)s
) AS startable
