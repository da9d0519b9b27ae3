-- Which of these threads have no ticket that is due, as urgent as this, and waits for a consumer.
SELECT wanted.thread_id
FROM unnest(%(thread_ids)s::text[], %(priorities)s::integer[]) WITH ORDINALITY AS wanted (thread_id, priority, place)
LEFT JOIN (
    SELECT
        procrastinate_jobs.args ->> 'thread_id' AS thread_id,
        max(procrastinate_jobs.priority) AS priority
    FROM procrastinate_jobs
    WHERE procrastinate_jobs.queue_name = %(queue)s
        AND procrastinate_jobs.task_name = %(task)s
        AND procrastinate_jobs.status = 'todo'
        AND (procrastinate_jobs.scheduled_at IS NULL OR procrastinate_jobs.scheduled_at <= now())
    GROUP BY 1
) AS waiting ON waiting.thread_id = wanted.thread_id
WHERE waiting.priority IS NULL
    OR waiting.priority < wanted.priority
ORDER BY wanted.place
