-- Silent workers lose the connections that hold their threads; after a restart of the server everybody gets time to speak.
WITH silent AS (
    DELETE FROM holdfast.workers
    WHERE tenant = %(tenant)s
        AND worker_id <> %(worker_id)s
        AND beat_at < clock_timestamp() - make_interval(secs => %(hung_after_seconds)s)
        AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(hung_after_seconds)s)
    RETURNING worker_id
)
SELECT
    silent.worker_id,
    count(pg_terminate_backend(activity.pid)) AS connections
FROM silent
LEFT JOIN pg_stat_activity AS activity
    ON activity.application_name = %(application_prefix)s || silent.worker_id
    AND activity.datname = current_database()
GROUP BY silent.worker_id
