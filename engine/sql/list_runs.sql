-- The runs of a thread, or of all threads, newest first.
SELECT *
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
    AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
    AND (%(run_ids)s::text[] IS NULL OR run_id = ANY(%(run_ids)s))
ORDER BY seq DESC
LIMIT %(limit)s
OFFSET %(offset)s
