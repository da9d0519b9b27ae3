-- The id of the last kept event of a run.
SELECT max(seq) AS seq
FROM holdfast.run_events
WHERE tenant = %(tenant)s
  AND run_id = %(id)s
