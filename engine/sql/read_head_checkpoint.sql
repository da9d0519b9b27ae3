-- The newest checkpoint of a thread's namespace.
SELECT max(checkpoint_id) AS checkpoint_id
FROM checkpoints
WHERE thread_id = %(thread_id)s
    AND checkpoint_ns = %(checkpoint_ns)s
