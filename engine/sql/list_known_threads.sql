-- Which of these threads exist for the caller.
SELECT thread_id
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND thread_id = ANY(%(thread_ids)s)
    AND metadata @> %(scope)s::jsonb
ORDER BY thread_id
