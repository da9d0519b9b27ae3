-- Which of these threads have no ticket that is due and waits for a consumer.
SELECT wanted.thread_id
FROM unnest(%(thread_ids)s::text[]) WITH ORDINALITY AS wanted (thread_id, place)
WHERE wanted.thread_id NOT IN (
    SELECT procrastinate_jobs.args ->> 'thread_id'
    FROM procrastinate_jobs
    WHERE procrastinate_jobs.queue_name = %(queue)s
        AND procrastinate_jobs.task_name = %(task)s
        AND procrastinate_jobs.status = 'todo'
        AND (procrastinate_jobs.scheduled_at IS NULL OR procrastinate_jobs.scheduled_at <= now())
)
ORDER BY wanted.place
