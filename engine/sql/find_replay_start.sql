-- The event after which somebody reads who joins a thread without a number: the one before the first that they missed
-- of its unfinished run, or of one that ended a moment ago and that nobody saw; else the thread's last.
SELECT coalesce(
    min(run_events.seq) FILTER (
        WHERE runs.run_id IS NOT NULL
            AND (
                runs.finished_at IS NULL
                OR (
                    run_events.seq > %(seen)s
                    AND runs.finished_at > clock_timestamp() - make_interval(secs => %(unseen_seconds)s)
                )
            )
    ) - 1,
    max(run_events.seq),
    -1
) AS seq
FROM holdfast.run_events
LEFT JOIN holdfast.runs
    ON runs.run_id = run_events.run_id
    AND runs.tenant = %(tenant)s
WHERE run_events.tenant = %(tenant)s
  AND run_events.thread_id = %(thread_id)s
