-- Whether a thread has checkpoints.
SELECT EXISTS (
    SELECT
    FROM checkpoints AS c
    WHERE c.thread_id = %(target)s
) AS found
