-- The last question that a node of a thread asked.
SELECT gate_id
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND node = %(node)s
ORDER BY created_at DESC
LIMIT 1
