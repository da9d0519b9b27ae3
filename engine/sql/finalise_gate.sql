-- The undo window of a decision is over.
UPDATE holdfast.gates
SET state = 'decided',
    version = version + 1,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state = 'scheduled'
    AND effective_at <= clock_timestamp()
RETURNING gate_id
