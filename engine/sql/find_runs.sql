-- Runs by filter, newest first, without what they carry; on every row how many there are.
SELECT
    run_id, thread_id, assistant_id, graph_id, kind, status, attempts, error, gate_ids,
    created_at, started_at, finished_at,
    extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::double precision AS took_seconds,
    count(*) OVER () AS total
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND (%(graph_id)s::text IS NULL OR graph_id = %(graph_id)s)
    AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
    AND (%(since_seconds)s::double precision IS NULL
         OR created_at > clock_timestamp() - make_interval(secs => %(since_seconds)s))
    AND (%(search)s::text IS NULL
         OR starts_with(run_id, %(search)s)
         OR starts_with(thread_id, %(search)s)
         OR strpos(lower(error::text), lower(%(search)s)) > 0)
    AND (%(scope)s::jsonb IS NULL
         OR EXISTS (
             SELECT 1
             FROM holdfast.threads
             WHERE threads.thread_id = runs.thread_id
                 AND threads.metadata @> %(scope)s::jsonb
         ))
ORDER BY seq DESC
LIMIT %(limit)s
OFFSET %(offset)s
