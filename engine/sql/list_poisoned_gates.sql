-- Reviews whose thread failed with an answer that its node cannot live with.
SELECT DISTINCT ON (gates.thread_id)
    gates.gate_id, gates.thread_id, gates.graph_id, gates.title, gates.decided_by, gates.updated_at, threads.error
FROM holdfast.gates
JOIN holdfast.threads ON threads.thread_id = gates.thread_id
    AND threads.tenant = gates.tenant
JOIN checkpoint_writes AS answers ON answers.thread_id = gates.thread_id
    AND answers.checkpoint_ns = gates.checkpoint_ns
    AND answers.checkpoint_id = gates.checkpoint_id
    AND answers.task_id = gates.task_id
    AND answers.channel = '__resume__'
WHERE gates.tenant = %(tenant)s
    AND threads.status IN ('error', 'interrupted')
    AND threads.error IS NOT NULL
    AND gates.state IN ('open', 'claimed', 'decided', 'expired')
    AND gates.checkpoint_id = (
        SELECT max(checkpoints.checkpoint_id)
        FROM checkpoints
        WHERE checkpoints.thread_id = gates.thread_id
            AND checkpoints.checkpoint_ns = gates.checkpoint_ns
    )
ORDER BY gates.thread_id, gates.updated_at DESC
LIMIT %(limit)s
