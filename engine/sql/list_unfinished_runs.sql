-- What a locked thread has to do, and whether a question is open on it.
SELECT
    runs.run_id,
    runs.kind,
    runs.status,
    runs.multitask_strategy
FROM holdfast.runs
WHERE runs.tenant = %(tenant)s
    AND runs.thread_id = %(thread_id)s
    AND runs.status IN ('queued', 'running')
UNION ALL
SELECT
    gates.gate_id,
    'gate',
    gates.state,
    NULL
FROM holdfast.gates
WHERE gates.tenant = %(tenant)s
    AND gates.thread_id = %(thread_id)s
    AND gates.state IN ('open', 'claimed', 'scheduled')
