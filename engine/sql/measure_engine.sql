-- What waits, runs and went wrong, for the metrics.
SELECT
    (SELECT count(*) FROM holdfast.runs WHERE tenant = %(tenant)s AND status = 'queued') AS runs_queued,
    (SELECT count(*) FROM holdfast.runs WHERE tenant = %(tenant)s AND status = 'running') AS runs_running,
    waits.longest_seconds,
    waits.median_seconds,
    (
        SELECT count(*)
        FROM holdfast.gates
        WHERE tenant = %(tenant)s
            AND state IN ('open', 'claimed', 'scheduled')
    ) AS gates_open,
    (SELECT count(*) FROM holdfast.outbox WHERE tenant = %(tenant)s AND state = 'pending') AS messages_pending,
    (SELECT count(*) FROM holdfast.outbox WHERE tenant = %(tenant)s AND state = 'dead') AS messages_dead,
    (SELECT count(*) FROM holdfast.dirty_threads WHERE tenant = %(tenant)s) AS threads_unpruned,
    crew.workers,
    crew.places
FROM (
    SELECT
        coalesce(max(wait), 0)::double precision AS longest_seconds,
        coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY wait), 0)::double precision AS median_seconds
    FROM (
        SELECT extract(epoch FROM clock_timestamp() - not_before) AS wait
        FROM holdfast.runs
        WHERE tenant = %(tenant)s
            AND status = 'queued'
            AND not_before <= clock_timestamp()
    ) AS due
) AS waits
CROSS JOIN (
    SELECT count(*) AS workers, coalesce(sum(concurrency), 0) AS places
    FROM holdfast.workers
    WHERE tenant = %(tenant)s
        AND beat_at > clock_timestamp() - interval '30 seconds'
) AS crew
