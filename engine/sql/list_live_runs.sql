-- Which of these runs have not ended.
SELECT run_id
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND run_id = ANY(%(run_ids)s)
    AND status IN ('queued', 'running')
ORDER BY run_id
