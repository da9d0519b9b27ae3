-- Hold a thread as a worker does, until the transaction ends; tell whether a run is at work on it.
SELECT
    pg_try_advisory_xact_lock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0)) AS taken,
    EXISTS (
        SELECT 1
        FROM holdfast.runs
        WHERE runs.tenant = %(tenant)s
            AND runs.thread_id = %(thread_id)s
            AND runs.status = 'running'
    ) AS at_work
