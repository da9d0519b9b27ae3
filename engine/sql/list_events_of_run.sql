-- The kept events of a run after the last one seen.
SELECT run_id, seq, event, data
FROM holdfast.run_events
WHERE tenant = %(tenant)s
  AND run_id = %(id)s
  AND seq > %(after)s
ORDER BY seq
LIMIT %(limit)s
