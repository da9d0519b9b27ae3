-- The gate of a thread that was settled last: who came first, for those who came late.
SELECT gate_id
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND state NOT IN ('open', 'claimed')
ORDER BY updated_at DESC, gate_id
LIMIT 1
