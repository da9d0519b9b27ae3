-- The event before the first one that somebody who joins a thread without a number has missed:
-- of its unfinished run, or of one that ended a moment ago and that nobody saw.
SELECT min(run_events.seq) - 1 AS seq
FROM holdfast.run_events
JOIN holdfast.runs USING (run_id)
WHERE run_events.tenant = %(tenant)s
  AND runs.tenant = %(tenant)s
  AND run_events.thread_id = %(thread_id)s
  AND (
      runs.finished_at IS NULL
      OR (
          run_events.seq > %(seen)s
          AND runs.finished_at > clock_timestamp() - make_interval(secs => %(unseen_seconds)s)
      )
  )
