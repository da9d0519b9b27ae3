-- Runs of a graph and a time, by status.
SELECT status, count(*) AS runs
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND (%(graph_id)s::text IS NULL OR graph_id = %(graph_id)s)
    AND (%(since_seconds)s::double precision IS NULL
         OR created_at > clock_timestamp() - make_interval(secs => %(since_seconds)s))
    AND (%(scope)s::jsonb IS NULL
         OR EXISTS (
             SELECT 1
             FROM holdfast.threads
             WHERE threads.thread_id = runs.thread_id
                 AND threads.metadata @> %(scope)s::jsonb
         ))
GROUP BY status
ORDER BY status
