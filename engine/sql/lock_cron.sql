-- One schedule that the caller may see, held until the transaction ends.
SELECT
    cron_id, assistant_id, thread_id, schedule, timezone, end_time, enabled, on_run_completed, payload, metadata,
    user_id, next_run_at AS next_run_date, last_fired_at, created_at, updated_at
FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND cron_id = %(cron_id)s
    AND metadata @> %(scope)s::jsonb
FOR UPDATE
