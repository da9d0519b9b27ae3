-- Threads by filter, last touched first, with how much they hold; on every row how many there are.
SELECT
    threads.thread_id, threads.graph_id, threads.status, threads.metadata, threads.error,
    left(threads."values" ->> 'stage', 100) AS stage,
    left(coalesce(threads."values" ->> 'summary', threads.metadata ->> 'document', threads.metadata ->> 'title'), 200)
        AS about,
    threads.created_at, threads.updated_at,
    (SELECT count(*) FROM holdfast.runs WHERE runs.thread_id = threads.thread_id) AS runs,
    (
        SELECT count(*)
        FROM holdfast.gates
        WHERE gates.thread_id = threads.thread_id
            AND gates.state IN ('open', 'claimed', 'scheduled')
    ) AS questions,
    count(*) OVER () AS total
FROM holdfast.threads
WHERE threads.tenant = %(tenant)s
    AND (%(graph_id)s::text IS NULL OR threads.graph_id = %(graph_id)s)
    AND (%(status)s::text IS NULL OR threads.status = %(status)s)
    AND (%(search)s::text IS NULL
         OR starts_with(threads.thread_id, %(search)s)
         OR strpos(lower(threads."values" ->> 'summary'), lower(%(search)s)) > 0
         OR strpos(lower(threads.metadata::text), lower(%(search)s)) > 0)
    AND (%(scope)s::jsonb IS NULL OR threads.metadata @> %(scope)s::jsonb)
ORDER BY threads.updated_at DESC, threads.thread_id
LIMIT %(limit)s
OFFSET %(offset)s
