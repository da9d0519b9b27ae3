-- A schedule that is still due, for this process alone; others pass it by.
SELECT
    cron_id, assistant_id, thread_id, schedule, timezone, end_time, enabled, on_run_completed, payload, metadata,
    user_id, next_run_at AS next_run_date, last_fired_at, created_at, updated_at,
    clock_timestamp() AS now
FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND cron_id = %(cron_id)s
    AND enabled
    AND next_run_at <= clock_timestamp()
FOR UPDATE SKIP LOCKED
