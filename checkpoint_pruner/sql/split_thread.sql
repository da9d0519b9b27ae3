-- Lowest ids of the slices, newest first, in which a huge thread is worked off.
SELECT numbered.checkpoint_id
FROM (
    SELECT c.checkpoint_id, row_number() OVER (ORDER BY c.checkpoint_id DESC) AS position
    FROM checkpoints AS c
    WHERE c.thread_id = %(thread_id)s
) AS numbered
WHERE numbered.position %% %(rows)s = 0
ORDER BY numbered.checkpoint_id DESC
