-- Checkpoints that somebody still needs: open questions, the bases and starting points of runs to do.
SELECT thread_id, checkpoint_ns, checkpoint_id
FROM holdfast.gates
WHERE thread_id = ANY(%(thread_ids)s)
    AND state IN ('open', 'claimed', 'scheduled')
UNION
SELECT thread_id, '', base_checkpoint_id
FROM holdfast.runs
WHERE thread_id = ANY(%(thread_ids)s)
    AND status IN ('queued', 'running')
    AND base_checkpoint_id IS NOT NULL
UNION
SELECT thread_id, '', kwargs ->> 'checkpoint_id'
FROM holdfast.runs
WHERE thread_id = ANY(%(thread_ids)s)
    AND status IN ('queued', 'running')
    AND kwargs ->> 'checkpoint_id' IS NOT NULL
ORDER BY thread_id, checkpoint_ns, checkpoint_id
