-- The checkpoints that a run saved on its thread, with what was written on them.
WITH gone AS (
    DELETE FROM checkpoints
    WHERE thread_id = %(thread_id)s
        AND metadata ->> 'run_id' = %(run_id)s
    RETURNING checkpoint_ns, checkpoint_id
)
DELETE FROM checkpoint_writes AS w
USING gone
WHERE w.thread_id = %(thread_id)s
    AND w.checkpoint_ns = gone.checkpoint_ns
    AND w.checkpoint_id = gone.checkpoint_id
