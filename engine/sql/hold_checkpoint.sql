-- A checkpoint that exists and, until the transaction ends, goes on to.
SELECT checkpoint_id
FROM checkpoints
WHERE thread_id = %(thread_id)s
    AND checkpoint_ns = %(checkpoint_ns)s
    AND checkpoint_id = %(checkpoint_id)s
FOR KEY SHARE
