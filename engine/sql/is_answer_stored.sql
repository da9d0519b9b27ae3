-- Whether the task that asks keeps an answer already, in its own namespace or in a subgraph of it.
SELECT EXISTS (
    SELECT 1
    FROM checkpoint_writes AS written
    WHERE written.thread_id = %(thread_id)s
        AND written.channel = '__resume__'
        AND (
            (written.checkpoint_ns = %(checkpoint_ns)s
             AND written.checkpoint_id = %(checkpoint_id)s
             AND written.task_id = %(task_id)s)
            OR (strpos(written.checkpoint_ns, %(task_id)s) > 0
                AND written.checkpoint_id = (
                    SELECT max(head.checkpoint_id)
                    FROM checkpoints AS head
                    WHERE head.thread_id = written.thread_id
                        AND head.checkpoint_ns = written.checkpoint_ns
                ))
        )
) AS stored
