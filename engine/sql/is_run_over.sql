-- Whether a run has ended; no row: it is gone.
SELECT finished_at IS NOT NULL AS over
FROM holdfast.runs
WHERE tenant = %(tenant)s
  AND run_id = %(run_id)s
