-- The id of the last kept event of a thread.
SELECT max(seq) AS seq
FROM holdfast.run_events
WHERE tenant = %(tenant)s
  AND thread_id = %(id)s
