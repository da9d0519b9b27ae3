-- The worker processes that gave a sign of life in the last hour.
SELECT
    worker_id, host, pid, concurrency, running, draining, started_at, beat_at,
    extract(epoch FROM clock_timestamp() - beat_at)::double precision AS silent_seconds
FROM holdfast.workers
WHERE tenant = %(tenant)s
    AND beat_at > clock_timestamp() - interval '1 hour'
ORDER BY started_at
