-- On the heads of a thread: answers to its questions, and what the tasks that had asked wrote after them.
WITH heads AS (
    SELECT checkpoint_ns, max(checkpoint_id) AS checkpoint_id
    FROM checkpoints
    WHERE thread_id = %(thread_id)s
    GROUP BY checkpoint_ns
)
DELETE FROM checkpoint_writes AS w
USING heads
WHERE w.thread_id = %(thread_id)s
    AND w.checkpoint_ns = heads.checkpoint_ns
    AND w.checkpoint_id = heads.checkpoint_id
    AND (
        w.channel = '__resume__'
        OR (
            w.idx >= 0
            AND EXISTS (
                SELECT 1
                FROM checkpoint_writes AS question
                WHERE question.thread_id = w.thread_id
                    AND question.checkpoint_ns = w.checkpoint_ns
                    AND question.checkpoint_id = w.checkpoint_id
                    AND question.task_id = w.task_id
                    AND question.channel = '__interrupt__'
            )
        )
    )
