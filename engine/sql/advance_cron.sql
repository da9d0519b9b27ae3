-- A schedule fired; when it fires again.
UPDATE holdfast.crons
SET
    next_run_at = %(next_run_at)s,
    last_fired_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND cron_id = %(cron_id)s
