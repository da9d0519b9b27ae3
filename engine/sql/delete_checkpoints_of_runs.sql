-- The checkpoints that some runs saved, with what was written on them; all threads when none is named.
WITH gone AS (
    DELETE FROM checkpoints
    WHERE (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
        AND metadata ->> 'run_id' = ANY(%(run_ids)s::text[])
    RETURNING thread_id, checkpoint_ns, checkpoint_id
), written AS (
    DELETE FROM checkpoint_writes AS w
    USING gone
    WHERE w.thread_id = gone.thread_id
        AND w.checkpoint_ns = gone.checkpoint_ns
        AND w.checkpoint_id = gone.checkpoint_id
)
SELECT DISTINCT thread_id
FROM gone
ORDER BY thread_id
