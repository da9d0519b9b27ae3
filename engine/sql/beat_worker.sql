-- A worker says that it is alive.
INSERT INTO holdfast.workers (
    tenant,
    worker_id,
    host,
    pid,
    concurrency,
    running,
    draining
)
VALUES (
    %(tenant)s,
    %(worker_id)s,
    %(host)s,
    %(pid)s,
    %(concurrency)s,
    %(running)s,
    %(draining)s
)
ON CONFLICT (worker_id) DO UPDATE
SET
    running = excluded.running,
    draining = excluded.draining,
    beat_at = clock_timestamp()
