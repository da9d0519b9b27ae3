-- How often the nodes of a graph ran on its last threads, how long they took, how often they failed.
WITH recent AS (
    SELECT thread_id
    FROM holdfast.threads
    WHERE tenant = %(tenant)s
        AND graph_id = %(graph_id)s
        AND (%(scope)s::jsonb IS NULL OR metadata @> %(scope)s::jsonb)
    ORDER BY updated_at DESC
    LIMIT %(threads)s
),
tasks AS (
    SELECT
        writes.thread_id,
        writes.checkpoint_id,
        writes.task_id,
        split_part(writes.task_path, ', ', 2) AS node,
        bool_or(writes.channel = '__error__') AS failed,
        bool_or(writes.channel IN ('__interrupt__', '__resume__')) AS asked
    FROM checkpoint_writes AS writes
    JOIN recent USING (thread_id)
    WHERE writes.checkpoint_ns = ''
    GROUP BY writes.thread_id, writes.checkpoint_id, writes.task_id, writes.task_path
)
SELECT
    tasks.node,
    count(*) AS runs,
    count(*) FILTER (WHERE tasks.failed) AS failures,
    count(*) FILTER (WHERE tasks.asked) AS questions,
    (percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM
        (next.checkpoint ->> 'ts')::timestamptz - (begun.checkpoint ->> 'ts')::timestamptz))
        FILTER (WHERE NOT tasks.asked))::double precision AS median_seconds
FROM tasks
JOIN checkpoints AS begun ON begun.thread_id = tasks.thread_id
    AND begun.checkpoint_ns = ''
    AND begun.checkpoint_id = tasks.checkpoint_id
LEFT JOIN LATERAL (
    SELECT child.checkpoint
    FROM checkpoints AS child
    WHERE child.thread_id = tasks.thread_id
        AND child.checkpoint_ns = ''
        AND child.parent_checkpoint_id = tasks.checkpoint_id
    ORDER BY child.checkpoint_id
    LIMIT 1
) AS next ON true
WHERE tasks.node NOT IN ('', '__start__')
GROUP BY tasks.node
ORDER BY tasks.node
