-- How many schedules fit.
SELECT count(*) AS total
FROM holdfast.crons
WHERE tenant = %(tenant)s
    AND metadata @> %(metadata)s::jsonb
    AND metadata @> %(scope)s::jsonb
    AND (%(assistant_id)s::text IS NULL OR assistant_id = %(assistant_id)s)
    AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
    AND (%(enabled)s::boolean IS NULL OR enabled = %(enabled)s)
