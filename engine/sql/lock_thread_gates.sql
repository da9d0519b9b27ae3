-- The gates of a thread that are not settled, and every earlier one under the named interrupts.
SELECT gate_id
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND (state IN ('open', 'claimed', 'scheduled') OR interrupt_id = ANY(%(interrupt_ids)s))
ORDER BY created_at, gate_id
FOR UPDATE
