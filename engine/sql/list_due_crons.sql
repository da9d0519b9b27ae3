-- Schedules whose time has come.
SELECT cron_id
FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND enabled
    AND next_run_at <= clock_timestamp()
ORDER BY next_run_at
LIMIT %(limit)s
