-- How the open reviews stand, for the head of the list.
SELECT
    count(*) FILTER (WHERE state IN ('open', 'claimed')) AS waiting,
    count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
    count(*) FILTER (WHERE state IN ('open', 'claimed') AND risk = 'high') AS high_risk,
    count(*) FILTER (WHERE state IN ('open', 'claimed')
                     AND coalesce(due_at, expires_at) <= clock_timestamp()) AS overdue
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND state IN ('open', 'claimed', 'scheduled')
    AND dialect <> 'signal'
    AND (%(scope)s::jsonb IS NULL
         OR EXISTS (
             SELECT 1
             FROM holdfast.threads
             WHERE threads.thread_id = gates.thread_id
                 AND threads.metadata @> %(scope)s::jsonb
         ))
