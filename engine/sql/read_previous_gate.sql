-- What the same node asked on the same thread before: what a reviewer compares with.
SELECT
    gate_id,
    title,
    review -> 'actions' AS actions,
    review -> 'proposed' AS proposed,
    state,
    decision,
    decided_by,
    decided_at,
    created_at
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND node = %(node)s
    AND dialect = %(dialect)s
    AND gate_id <> %(gate_id)s
    AND created_at < %(created_at)s
ORDER BY created_at DESC
LIMIT 1
