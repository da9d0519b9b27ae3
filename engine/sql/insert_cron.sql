-- A new schedule.
INSERT INTO holdfast.crons (
    tenant, cron_id, assistant_id, thread_id, schedule, timezone, end_time, enabled, on_run_completed, payload,
    metadata, user_id, next_run_at
)
VALUES (
    %(tenant)s, %(cron_id)s, %(assistant_id)s, %(thread_id)s, %(schedule)s, coalesce(%(timezone)s, 'UTC'),
    %(end_time)s, %(enabled)s, %(on_run_completed)s, %(payload)s, %(metadata)s, %(user_id)s, %(next_run_at)s
)
RETURNING
    cron_id, assistant_id, thread_id, schedule, timezone, end_time, enabled, on_run_completed, payload, metadata,
    user_id, next_run_at AS next_run_date, last_fired_at, created_at, updated_at
