-- Threads that a run is at work on: what it has loaded is in nobody's tables.
SELECT DISTINCT thread_id
FROM holdfast.runs
WHERE thread_id = ANY(%(thread_ids)s)
    AND status = 'running'
ORDER BY thread_id
