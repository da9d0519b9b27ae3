-- Runs of a graph and a time, by status.
SELECT status, count(*) AS runs
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND (%(graph_id)s::text IS NULL OR graph_id = %(graph_id)s)
    AND (%(since_seconds)s::double precision IS NULL
         OR created_at > clock_timestamp() - make_interval(secs => %(since_seconds)s))
GROUP BY status
ORDER BY status
