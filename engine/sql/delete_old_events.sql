-- Forget events past their time, a batch at once, oldest first.
DELETE FROM holdfast.run_events
WHERE (run_id, seq) IN (
    SELECT run_id, seq
    FROM holdfast.run_events
    WHERE tenant = %(tenant)s
      AND created_at < clock_timestamp() - make_interval(secs => %(retention_seconds)s)
    ORDER BY created_at
    LIMIT %(limit)s
)
