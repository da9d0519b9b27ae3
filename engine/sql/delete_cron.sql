-- A schedule that the caller may see goes.
DELETE FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND cron_id = %(cron_id)s
    AND metadata @> %(scope)s::jsonb
RETURNING cron_id
