-- A schedule as it is from now on.
UPDATE holdfast.crons
SET
    schedule = %(schedule)s,
    timezone = coalesce(%(timezone)s, 'UTC'),
    end_time = %(end_time)s,
    enabled = %(enabled)s,
    on_run_completed = %(on_run_completed)s,
    payload = %(payload)s,
    metadata = %(metadata)s,
    next_run_at = %(next_run_at)s,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND cron_id = %(cron_id)s
RETURNING
    cron_id, assistant_id, thread_id, schedule, timezone, end_time, enabled, on_run_completed, payload, metadata,
    user_id, next_run_at AS next_run_date, last_fired_at, created_at, updated_at
