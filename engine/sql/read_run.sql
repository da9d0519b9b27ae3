-- One run; on any thread when none is named.
SELECT *
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND run_id = %(run_id)s
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
