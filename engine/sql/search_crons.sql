-- Schedules that fit; the order and the page are added.
SELECT
    cron_id, assistant_id, thread_id, schedule, timezone, end_time, enabled, on_run_completed, payload, metadata,
    user_id, next_run_at AS next_run_date, last_fired_at, created_at, updated_at
FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND metadata @> %(metadata)s::jsonb
    AND metadata @> %(scope)s::jsonb
    AND (%(assistant_id)s::text IS NULL OR assistant_id = %(assistant_id)s)
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
    AND (%(enabled)s::boolean IS NULL OR enabled = %(enabled)s)
