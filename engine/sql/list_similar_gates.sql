-- What was decided lately on other threads when the same node asked.
SELECT
    gate_id,
    thread_id,
    title,
    risk,
    review -> 'actions' AS actions,
    decision,
    decided_by,
    decided_at,
    extract(epoch FROM decided_at - created_at)::double precision AS took_seconds
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND graph_id = %(graph_id)s
    AND node = %(node)s
    AND dialect = %(dialect)s
    AND thread_id <> %(thread_id)s
    AND state = 'decided'
    AND (%(scope)s::jsonb IS NULL
         OR EXISTS (
             SELECT 1
             FROM holdfast.threads
             WHERE threads.thread_id = gates.thread_id
                 AND threads.metadata @> %(scope)s::jsonb
         ))
ORDER BY decided_at DESC
LIMIT %(limit)s
