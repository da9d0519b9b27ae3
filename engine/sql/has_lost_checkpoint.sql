-- Whether a thread went on without the checkpoint that a question was asked at.
SELECT NOT EXISTS (
        SELECT
        FROM checkpoints
        WHERE thread_id = %(thread_id)s
            AND checkpoint_ns = %(checkpoint_ns)s
            AND checkpoint_id = %(checkpoint_id)s
    )
    AND EXISTS (
        SELECT
        FROM checkpoints
        WHERE thread_id = %(thread_id)s
    ) AS lost
